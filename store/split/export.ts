import { algorithmOf, type Digest } from '../digest.js';
import { CasError } from '../errors.js';
import { createHasher } from '../hasher/engines.js';
import type { AssembledTar } from './assembled-tar.js';
import { PayloadCheck } from './payload-check.js';
import type { RangeReader } from './range-reader.js';

const BLOCK = 1 << 20;

/**
 * Reads the whole and checks its digest.
 * @throws CasError LAYER_DAMAGED where it differs; what the reader throws
 */
export async function verifyAssembled(reader: RangeReader, expected: Digest): Promise<void> {
  const hasher = await createHasher(algorithmOf(expected));
  try {
    for await (const block of blocks(reader)) await hasher.update(block);
    requireSame(expected, hasher.digest());
  } finally {
    hasher.dispose();
  }
}

/**
 * The bytes of a layer's tar, in blocks of 1 MiB that are the caller's. Each payload is checked before its last bytes are
 * given, and the whole before the end is told: a copy is good only if no error came.
 * @throws CasError LAYER_DAMAGED whose subject is the digest of the payload, or of the whole; what the reader throws
 */
export async function* exportTar(tar: AssembledTar, diffId: Digest): AsyncGenerator<Buffer> {
  const hasher = await createHasher(algorithmOf(diffId));
  const payloads = new PayloadCheck(tar);
  try {
    for await (const block of blocks(tar)) {
      // Both must have ended before the hashers are disposed of.
      const checks = await Promise.allSettled([payloads.add(block), Promise.resolve(hasher.update(block))]);
      for (const check of checks) if (check.status === 'rejected') throw check.reason;
      yield block;
    }
    requireSame(diffId, hasher.digest());
  } finally {
    payloads.dispose();
    hasher.dispose();
  }
}

/** All blocks in their order, the next of which is being read while one is in hand. */
async function* blocks(reader: RangeReader): AsyncGenerator<Buffer> {
  let next = block(reader, 0);
  for (let offset = 0; offset < reader.size;) {
    const bytes = await next;
    offset += bytes.length;
    next = block(reader, offset);
    // It fails for whoever waits for it, if anybody does.
    next.catch(() => undefined);
    yield bytes;
  }
  await next;
}

async function block(reader: RangeReader, offset: number): Promise<Buffer> {
  const bytes = Buffer.allocUnsafeSlow(Math.min(BLOCK, reader.size - offset));
  const found = await reader.read(bytes, offset);
  if (found === bytes.length) return bytes;
  throw new CasError('LAYER_DAMAGED', { expected: `${reader.size} bytes`, found: offset + found });
}

function requireSame(expected: Digest, found: Digest): void {
  if (found !== expected) throw new CasError('LAYER_DAMAGED', { subject: expected, expected, found });
}
