import fs from 'node:fs';
import { dirname, join } from 'node:path';
import type { Algorithm } from '../../digest.js';
import {
  ensureDirectory,
  fsyncDirectory,
  ifPresent,
  isCode,
  readNames,
  rename,
  replaceFile,
  unlink,
} from '../../files.js';
import { decodeSeals, encodeSeals, type WrittenSeal } from './seal.js';

/** The state of a hash after its first `offset` bytes. */
export interface HashState {
  readonly offset: number;
  readonly state: Uint8Array;
}

/*
 * On disk: `hashstates/<algorithm>/<offset>` in the ingest's directory, as in the Docker registry, and the seals of
 * all of them in one file, `checkpoints`. Neither needs to be durable: a state that a power cut has torn or lost is
 * one less to resume from.
 */

const SEALS = 'checkpoints';

/**
 * The states of an algorithm by ascending offset. Names that are no decimal number are skipped; nothing is known yet
 * of what the files hold.
 */
export async function readStates(directory: string, algorithm: Algorithm): Promise<HashState[]> {
  const root = join(directory, 'hashstates', algorithm);
  const offsets = (await readNames(root)).map(parseOffset).filter((offset) => offset !== undefined);
  offsets.sort((a, b) => a - b);
  const states = offsets.map(async (offset) => ({
    offset,
    state: await readWhole(join(root, `${offset}`)),
  }));
  return Promise.all(states);
}

/** The seals that were written last; none where they cannot be read. */
export async function readSeals(directory: string): Promise<WrittenSeal[]> {
  return decodeSeals((await readWhole(join(directory, SEALS))).toString());
}

/** What a damaged file system says of a file. Where descriptors or memory run out, nothing is known of it. */
const DAMAGE = ['EBADMSG', 'EIO', 'EISDIR', 'ENOENT', 'EUCLEAN'];

/** What a file holds; nothing where it is not there or damaged. */
async function readWhole(path: string): Promise<Buffer> {
  try {
    return await fs.promises.readFile(path);
  } catch (error) {
    if (DAMAGE.some((code) => isCode(error, code))) return Buffer.alloc(0);
    throw error;
  }
}

/** Writes a state, then the seals of all states, its own among them. */
export async function writeState(
  directory: string,
  algorithm: Algorithm,
  { offset, state }: HashState,
  seals: readonly WrittenSeal[],
): Promise<void> {
  const root = join(directory, 'hashstates', algorithm);
  const temporary = join(directory, 'state.tmp');
  for (const part of [dirname(root), root]) await ensureDirectory(part, 0o700);
  await fs.promises.writeFile(temporary, state, { mode: 0o600 });
  await rename(temporary, join(root, `${offset}`));
  await writeSeals(directory, seals);
}

/** Removes the seals of all states. */
export async function removeSeals(directory: string): Promise<void> {
  await ifPresent(unlink(join(directory, SEALS)));
}

export async function writeSeals(directory: string, seals: readonly WrittenSeal[]): Promise<void> {
  await replaceFile(join(directory, SEALS), encodeSeals(seals));
}

/** Removes states. When it settles they do not come back after a power cut. */
export async function removeStates(
  directory: string,
  algorithm: Algorithm,
  offsets: readonly number[],
): Promise<void> {
  if (offsets.length === 0) return;
  const root = join(directory, 'hashstates', algorithm);
  for (const offset of offsets)
    await fs.promises.rm(join(root, `${offset}`), { recursive: true, force: true });
  await fsyncDirectory(root);
}

/** Removes the states of all algorithms but one: they are not looked after. */
export async function removeOtherStates(directory: string, algorithm: Algorithm): Promise<void> {
  const root = join(directory, 'hashstates');
  for (const name of await readNames(root))
    if (name !== algorithm) await fs.promises.rm(join(root, name), { recursive: true, force: true });
}

/** Only what this file writes itself: no sign, no leading zero. */
function parseOffset(name: string): number | undefined {
  return /^(0|[1-9]\d{0,15})$/.test(name) && Number.isSafeInteger(Number(name)) ? Number(name) : undefined;
}
