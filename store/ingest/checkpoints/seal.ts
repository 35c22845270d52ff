import { createHash } from 'node:crypto';
import type { Algorithm } from '../../digest.js';

/** What a saved hash state is bound to. A state without its seal, or with one that does not fit, is never used. */
export interface Seal {
  readonly algorithm: Algorithm;
  /** How many bytes the state has hashed. */
  readonly offset: number;
  /** The size of the data file when it was synced before the state was saved: all of it was durable. */
  readonly size: number;
  /** Inode number of the data file. */
  readonly inode: string;
  /** The boot in which the state was saved; see bootId. */
  readonly boot: string;
  /** A sample of the bytes below the offset; see sampleOf. */
  readonly sample: string;
}

/** A seal as it is written down: with a checksum over itself and the state it is of. */
export interface WrittenSeal extends Seal {
  readonly version: 1;
  readonly check: string;
}

export function sealState(seal: Seal, state: Uint8Array): WrittenSeal {
  return { version: 1, ...seal, check: checkOf(seal, state) };
}

/** Whether the seal is whole and was made for this state. */
export function isSealOf(seal: WrittenSeal, state: Uint8Array): boolean {
  return checkOf(seal, state) === seal.check;
}

/** One line of JSON for each seal. */
export function encodeSeals(seals: readonly WrittenSeal[]): string {
  return seals.map((seal) => `${JSON.stringify(seal)}\n`).join('');
}

/** Reads what {@link encodeSeals} wrote; lines that cannot be read, as after a torn write, are left out. */
export function decodeSeals(text: string): WrittenSeal[] {
  return text.split('\n').flatMap((line) => parse(line) ?? []);
}

function parse(line: string): WrittenSeal | undefined {
  try {
    const seal = JSON.parse(line) as WrittenSeal | null;
    return seal?.version === 1 && isCount(seal.offset) && isCount(seal.size) ? seal : undefined;
  } catch {
    return undefined;
  }
}

function isCount(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function checkOf({ algorithm, offset, size, inode, boot, sample }: Seal, state: Uint8Array): string {
  const fields = JSON.stringify([algorithm, offset, size, inode, boot, sample]);
  return createHash('sha256').update(`${fields}\n`).update(state).digest('hex');
}
