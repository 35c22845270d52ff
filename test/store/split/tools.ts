import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import fc from 'fast-check';
import type { Payload } from '../../../store/payloads/location.js';
import { AssembledTar } from '../../../store/split/assembled-tar.js';
import type { Chunk } from '../../../store/split/chunk.js';
import type { SplitRecord } from '../../../store/split/record.js';
import type { SplitIndex } from '../../../store/split/split-index.js';
import { SplitWriter } from '../../../store/split/writer.js';
import { PayloadReader } from '../../../store/payloads/reader.js';
import { temporaryDirectory } from '../../helpers/temporary.js';
import { known, PayloadStore } from '../payloads/tools.js';

/** A tar in pieces: raw bytes, and where `data` is given a file's bytes. */
export interface Piece {
  readonly raw: Buffer;
  readonly data?: Buffer;
}

const bytes = (maxLength: number): fc.Arbitrary<Buffer> =>
  fc.uint8Array({ maxLength }).map((array) => Buffer.from(array));

const payload: fc.Arbitrary<Payload> = fc.record({
  digest: fc.uint8Array({ minLength: 32, maxLength: 32 }).map((array) => Buffer.from(array)),
  size: fc.integer({ min: 0, max: 2 ** 40 }),
  location: fc.oneof(
    fc.record({ set: fc.constantFrom('000000000000', '0123456789ab', 'ffffffffffff') }),
    fc.record({
      set: fc.constantFrom('0123456789ab', 'abcdefabcdef'),
      offset: fc.integer({ min: 0, max: 2 ** 48 - 1 }),
    }),
  ),
});

/** Any record. */
export const anyRecord: fc.Arbitrary<SplitRecord> = fc
  .record({ raw: bytes(2000), entry: fc.boolean(), payload: fc.option(payload, { nil: undefined }) })
  .map(({ payload: found, ...rest }) => (found ? { ...rest, payload: found } : rest));

/** Any tar, as far as the pieces of it go. */
export const anyPieces: fc.Arbitrary<Piece[]> = fc.array(
  fc
    .record({ raw: bytes(600), data: fc.option(bytes(400), { nil: undefined }) })
    .map(({ raw, data }) => (data ? { raw, data } : { raw })),
  { maxLength: 60 },
);

/** The chunks and the index of records. */
export async function split(records: Iterable<SplitRecord>): Promise<{ chunks: Chunk[]; index: SplitIndex }> {
  const chunks: Chunk[] = [];
  const writer = new SplitWriter((chunk) => void chunks.push(chunk));
  for (const record of records) await writer.add(record);
  return { chunks, index: await writer.finish() };
}

export interface Stored {
  readonly store: PayloadStore;
  readonly set: string;
  readonly records: SplitRecord[];
  readonly payloads: Payload[];
  readonly chunks: Chunk[];
  readonly index: SplitIndex;
  readonly tar: AssembledTar;
}

/** Stores pieces, and opens what they are together. */
export async function storePieces(
  t: ExecutionContext,
  pieces: readonly Piece[],
  store = new PayloadStore(temporaryDirectory(t)),
): Promise<Stored> {
  const { payloads, set = '' } = await store.put(pieces.flatMap(({ data }) => (data ? [data] : [])));
  let next = 0;
  const records = pieces.map(({ raw, data }) =>
    data ? { raw, entry: true, payload: known(payloads[next++]) } : { raw, entry: false },
  );
  const { chunks, index } = await split(records);
  return { store, set, records, payloads, chunks, index, tar: assemble(t, store, chunks, index) };
}

/** A tar over chunks in memory. */
export function assemble(
  t: ExecutionContext,
  store: PayloadStore,
  chunks: readonly Chunk[],
  index: SplitIndex,
): AssembledTar {
  const reader = new PayloadReader(store.root);
  t.teardown(() => reader.close());
  const chunk = (number: number): Promise<Buffer> => Promise.resolve(chunks[number]?.bytes ?? Buffer.of());
  return new AssembledTar(index, chunk, reader);
}

/** A tar that GNU tar made, and its pieces as Python's tarfile finds them. */
export function realTar(t: ExecutionContext): { bytes: Buffer; pieces: Piece[]; diffId: string } {
  const directory = temporaryDirectory(t);
  const tree = join(directory, 'tree');
  for (let number = 0; number < 700; number++) {
    fs.mkdirSync(join(tree, `${number % 30}`), { recursive: true });
    const size = number % 100 === 50 ? 300_000 + number : (number * 37) % 3000;
    fs.writeFileSync(join(tree, `${number % 30}`, `file ${number}`), Buffer.alloc(size, `${number} `));
  }
  fs.writeFileSync(join(tree, 'large'), Buffer.alloc(6 << 20, 'a large one'));
  const path = join(directory, 'layer.tar');
  execFileSync('tar', ['--sort=name', '--format=posix', '-C', tree, '-cf', path, '.']);
  const script = `
import json, sys, tarfile
with tarfile.open(sys.argv[1]) as tar:
    print(json.dumps([[m.offset_data, m.size] for m in tar if m.isreg() and m.size]))`;
  const ranges = JSON.parse(execFileSync('python3', ['-c', script, path]).toString()) as [number, number][];
  const all = fs.readFileSync(path);
  const pieces: Piece[] = [];
  let end = 0;
  for (const [offset, size] of ranges) {
    pieces.push({ raw: all.subarray(end, offset), data: all.subarray(offset, offset + size) });
    end = offset + size;
  }
  pieces.push({ raw: all.subarray(end) });
  const diffId = `sha256:${execFileSync('sha256sum', [path]).toString().slice(0, 64)}`;
  return { bytes: all, pieces, diffId };
}
