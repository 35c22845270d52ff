import fs from 'node:fs';
import test from 'ava';
import { parseDigest } from '../../../store/digest.js';
import { isCasError } from '../../../store/errors.js';
import type { AssembledTar } from '../../../store/split/assembled-tar.js';
import { exportTar, verifyAssembled } from '../../../store/split/export.js';
import { sha256 } from '../payloads/tools.js';
import { realTar, storePieces } from './tools.js';

async function collect(tar: AssembledTar, diffId: string): Promise<{ bytes: Buffer; error: unknown }> {
  const found: Buffer[] = [];
  let error: unknown;
  try {
    for await (const block of exportTar(tar, parseDigest(diffId))) found.push(block);
  } catch (caught) {
    error = caught;
  }
  return { bytes: Buffer.concat(found), error };
}

function flip(path: string, at: number): void {
  const bytes = fs.readFileSync(path);
  bytes[at] = (bytes[at] ?? 0) ^ 1;
  fs.writeFileSync(path, bytes);
}

test('an export is the tar that was stored', async (t) => {
  const { bytes, pieces, diffId } = realTar(t);
  const { tar } = await storePieces(t, pieces);
  const found = await collect(tar, diffId);
  t.is(found.error, undefined);
  t.true(found.bytes.equals(bytes));
  await verifyAssembled(tar, parseDigest(diffId));
});

test('the digest of the whole is checked', async (t) => {
  const { pieces, diffId } = realTar(t);
  const [first, ...rest] = pieces;
  const raw = Buffer.from(first?.raw ?? Buffer.of());
  raw[0] = (raw[0] ?? 0) ^ 1;
  const { tar } = await storePieces(t, [{ ...first, raw }, ...rest]);
  const { error, bytes } = await collect(tar, diffId);
  t.true(isCasError(error, 'LAYER_DAMAGED') && error.subject === diffId);
  t.is(bytes.length, tar.size);
  await t.throwsAsync(verifyAssembled(tar, parseDigest(diffId)), { code: 'LAYER_DAMAGED' });
});

test('a payload that rotted is named before its last bytes are given', async (t) => {
  const { pieces, diffId } = realTar(t);
  for (const isRotten of [(size: number) => size > 1 << 20, (size: number) => size > 1000 && size < 3000]) {
    const { tar, store, set, payloads } = await storePieces(t, pieces);
    const rotten = payloads.find(({ size }) => isRotten(size));
    const hex = rotten?.digest.toString('hex') ?? '';
    if (rotten?.location.offset === undefined) flip(store.path(set, hex), (rotten?.size ?? 0) - 1);
    else flip(store.path(set, 'pack'), rotten.location.offset + 5);
    const { error, bytes } = await collect(tar, diffId);
    t.true(isCasError(error, 'LAYER_DAMAGED') && error.errno === 'EIO' && error.subject === `sha256:${hex}`);
    t.true(bytes.length < tar.size);
    await t.throwsAsync(verifyAssembled(tar, parseDigest(diffId)), { code: 'LAYER_DAMAGED' });
  }
});

test('an empty tar is exported and checked as well', async (t) => {
  const { tar } = await storePieces(t, []);
  const empty = `sha256:${sha256(Buffer.of())}`;
  t.deepEqual(await collect(tar, empty), { bytes: Buffer.of(), error: undefined });
  const { error } = await collect(tar, `sha256:${sha256(Buffer.of(1))}`);
  t.true(isCasError(error, 'LAYER_DAMAGED'));
});

test('an export that is given up ends at once', async (t) => {
  const { pieces, diffId } = realTar(t);
  const { tar } = await storePieces(t, pieces);
  for await (const block of exportTar(tar, parseDigest(diffId))) {
    t.is(block.length, 1 << 20);
    break;
  }
});
