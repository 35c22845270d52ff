import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { type Algorithm, type Digest, parseDigest } from '../../../store/digest.js';
import type { ShaAlgorithm } from '../../../store/hasher/go-state.js';
import type { Hasher } from '../../../store/hasher/hasher.js';

/** A state that Go saved, and what Go made of it with `tail` more bytes; see fixtures/states.go. */
export interface GoVector {
  readonly algorithm: ShaAlgorithm;
  readonly length: number;
  readonly real: boolean;
  readonly state: string;
  readonly digest: string;
  readonly tail: number;
  readonly tailState: string;
  readonly tailDigest: string;
}

/** What fixtures/states.go printed. */
export const goStates = JSON.parse(readFileSync('test/store/hasher/fixtures/states.json', 'utf8')) as {
  readonly vectors: readonly GoVector[];
  /** States of the other members of the SHA-2 family, in hex. */
  readonly foreign: Readonly<Record<string, string>>;
};

/** The bytes `from` to `to` of the content that fixtures/states.go hashes. */
export function content(from: number, to: number): Buffer {
  return Buffer.from(
    Uint8Array.from({ length: to - from }, (_, index) => {
      const place = (from + index) % 65536;
      return 7 * place + (place >> 8);
    }),
  );
}

const TOOLS = { sha256: 'sha256sum', sha512: 'sha512sum', blake3: 'b3sum' } as const;

/** The digest that the system's own tool finds. */
export function digestByTool(algorithm: Algorithm, data: Uint8Array): Digest {
  const { stdout, status, error } = spawnSync(TOOLS[algorithm], { input: data, timeout: 60_000 });
  if (error || status !== 0) throw new Error(`${TOOLS[algorithm]} failed`, { cause: error });
  return parseDigest(`${algorithm}:${stdout.toString().split(' ', 1)[0] ?? ''}`);
}

/** Hashes `data`, cut at the offsets `cuts`, in that many updates. */
export async function updateInParts(
  hasher: Hasher,
  data: Uint8Array,
  cuts: readonly number[],
): Promise<void> {
  const borders = [0, ...cuts.toSorted((a, b) => a - b), data.length];
  for (const [index, end] of borders.slice(1).entries()) {
    await hasher.update(data.subarray(borders[index], end));
  }
}
