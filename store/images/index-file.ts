import { promises } from 'node:fs';
import { basename, join } from 'node:path';
import { isCasError } from '../errors.js';
import { ensureDirectory, fsyncDirectory, ifPresent, lstat, replaceFile } from '../files.js';
import { EMPTY_INDEX, type ImageIndexJson, indexText, parseIndex } from './index-json.js';

/** The names of the two files that make a directory an OCI image layout. */
export const INDEX_JSON = 'index.json';
export const OCI_LAYOUT = 'oci-layout';

/** The only text that `oci-layout` has; see the OCI image-spec. */
export const LAYOUT_TEXT = '{"imageLayoutVersion":"1.0.0"}';

/** What index.json is at one moment. */
export interface IndexSnapshot {
  readonly bytes: Buffer;
  readonly index: ImageIndexJson;
  readonly writtenAt: Date;
  /** How many there were before it, in this run. */
  readonly version: number;
}

/**
 * Reads `<root>/index.json`; one without entries where there is none.
 * @throws CasError INDEX_INVALID
 */
export async function readIndexFile(root: string): Promise<IndexSnapshot> {
  const path = join(root, INDEX_JSON);
  const bytes = (await ifPresent(promises.readFile(path))) ?? indexText(EMPTY_INDEX);
  const writtenAt = lstat(path)?.mtime ?? new Date();
  return { bytes, index: parseIndex(bytes, path), writtenAt, version: 0 };
}

/** Makes `bytes` the new index.json; when it settles, that is so for good. The store is an OCI image layout then. */
export async function writeIndexFile(root: string, bytes: Buffer): Promise<void> {
  if (lstat(join(root, OCI_LAYOUT)) === undefined) await replaceFile(join(root, OCI_LAYOUT), LAYOUT_TEXT);
  await replaceFile(join(root, INDEX_JSON), bytes, true);
}

/** Moves an index.json that cannot be read into `<root>/damaged`, named after this moment. Its new path. */
export async function moveIndexAside(root: string): Promise<string> {
  const damaged = join(root, 'damaged');
  await ensureDirectory(damaged, 0o700);
  const name = `${INDEX_JSON}-${new Date().toISOString().replaceAll(':', '-')}`;
  await promises.rename(join(root, INDEX_JSON), join(damaged, basename(name)));
  await fsyncDirectory(damaged);
  return join(damaged, name);
}

/** Whether an error says that index.json is there and cannot be read. */
export function isDamage(error: unknown): boolean {
  return isCasError(error, 'INDEX_INVALID');
}
