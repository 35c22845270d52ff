import { execFileSync } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Digest } from '../../store/digest.js';
import { algorithmFor } from '../../store/ingest/algorithm-for.js';
import type { LabelCondition } from '../../store/metadata/label-index.js';
import { parseRef } from '../../store/ref.js';
import type { Store } from '../../store/store.js';
import { digestOfBytes } from '../helpers/digests.js';

const NO_FLAGS = 0;

let refs = 0;

/** Commits a blob; its digest. */
export async function commit(
  store: Store,
  text: string,
  algorithm: 'sha256' | 'blake3' = 'sha256',
): Promise<Digest> {
  const content = Buffer.from(text);
  const ref = parseRef(`ref ${++refs}`);
  const ingest = await store.ingests.create(ref, algorithmFor({ ref }));
  await (
    await ingest.write(content, 0)
  ).held;
  ingest.unlock();
  const digest = await digestOfBytes(content, algorithm);
  await store.ingests.commit(ingest, { digest });
  return digest;
}

/** The digests that meet the conditions, `KEY`, `KEY=VALUE` or of any bytes, sorted. */
export async function find(
  { labels }: Store,
  ...[first, ...others]: [Sought, ...Sought[]]
): Promise<string[]> {
  const found: string[] = [];
  for await (const { digest } of labels.find([condition(first), ...others.map(condition)]))
    found.push(digest);
  return found.sort();
}

type Sought = string | LabelCondition;

function condition(sought: Sought): LabelCondition {
  if (typeof sought !== 'string') return sought;
  const [key = '', value] = sought.split('=');
  return value === undefined ? { key } : { key, value: Buffer.from(value) };
}

export function set({ labels }: Store, digest: Digest, key: string, value: string | Buffer): Promise<void> {
  return labels.set(digest, key, Buffer.from(value), NO_FLAGS);
}

/** Sets a label as nobody but us should: behind the index. */
export function setfattr(path: string, key: string, value: string): void {
  execFileSync('setfattr', ['-n', `user.cas.label.${key}`, '-v', value, path]);
}

/** Asks until the index answers: a label that is set behind its back is then not found. */
export async function untilIndexed(store: Store): Promise<void> {
  const hidden = await commit(store, `hidden ${performance.now()}`);
  setfattr(store.blobs.path(hidden), 'hidden', 'yes');
  const deadline = performance.now() + 20_000;
  while ((await find(store, 'hidden')).length > 0) {
    if (performance.now() > deadline) throw new Error('the index does not answer');
    await sleep(5);
    // A build that began before takes it in.
    execFileSync('setfattr', ['-x', 'user.cas.label.hidden', store.blobs.path(hidden)]);
    await find(store, 'hidden');
    setfattr(store.blobs.path(hidden), 'hidden', 'yes');
  }
  await store.blobs.remove(hidden);
}

/** The values that getfattr shows of a label: one or none. */
export function valuesByTool(path: string, key: string): string[] {
  const dump = execFileSync('getfattr', ['--absolute-names', '-d', path], { encoding: 'utf8' });
  const lines = dump.split('\n').filter((line) => line.startsWith(`user.cas.label.${key}=`));
  return lines.map((line) => line.slice(line.indexOf('=') + 2, -1));
}
