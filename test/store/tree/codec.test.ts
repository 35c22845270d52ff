import test from 'ava';
import fc from 'fast-check';
import { CasError } from '../../../store/errors.js';
import { ByteReader, ByteWriter } from '../../../store/tree/bytes.js';
import { readEntry, writeEntry } from '../../../store/tree/entry-codec.js';
import type { Entry } from '../../../store/tree/inode.js';
import { Leaf } from '../../../store/tree/leaf.js';
import { LeafCutter } from '../../../store/tree/leaf-cutter.js';
import { readNode } from '../../../store/tree/node.js';
import { NodeSink } from '../../../store/tree/node-sink.js';
import { RootRecord, writeRoot } from '../../../store/tree/root-record.js';
import { propertySettings } from '../../helpers/properties.js';

const bytes = (size: number) =>
  fc.uint8Array({ minLength: size, maxLength: size }).map((array) => Buffer.from(array));
const text = (limits: { minLength?: number; maxLength: number }) =>
  fc.uint8Array(limits).map((array) => Buffer.from(array).toString('latin1'));
const number = fc.oneof(fc.nat(300), fc.maxSafeNat());
const attributes = fc.record({
  mode: fc.nat(0o7777),
  uid: fc.nat(0xffff_ffff),
  gid: fc.nat(0xffff_ffff),
  mtime: fc.record({
    // -0 is no other time than 0.
    seconds: fc.maxSafeInteger().map((seconds) => seconds + 0),
    nanoseconds: fc.nat(999_999_999),
  }),
  xattrs: fc
    .uniqueArray(
      fc.tuple(text({ minLength: 1, maxLength: 20 }), fc.integer({ min: 0, max: 40 }).chain(bytes)),
      {
        selector: ([name]) => name,
        maxLength: 3,
      },
    )
    .map((xattrs) => xattrs.sort(([a], [b]) => (a < b ? -1 : 1))),
});
const payload = fc.record({
  digest: bytes(32),
  size: number,
  location: fc.record(
    { set: bytes(6).map((set) => set.toString('hex')), offset: number },
    { requiredKeys: ['set'] },
  ),
});
const extents = fc.array(fc.tuple(fc.nat(1000), fc.nat(1000)), { maxLength: 4 }).map((pieces) => {
  let end = 0;
  return pieces.map(([hole, length]) => {
    const offset = end + hole;
    end = offset + length;
    return { offset, length };
  });
});
const content = fc.oneof(
  fc.record({ size: number, payload }, { requiredKeys: ['size'] }),
  fc.record({ size: fc.constant(8000), payload, extents }, { requiredKeys: ['size', 'extents'] }),
);
const directory = fc
  .tuple(bytes(32), fc.nat(1000), fc.nat(1000), fc.nat(1e9))
  .map(([node, subdirectories, shared, more]) => ({
    node,
    total: subdirectories + shared + more,
    subdirectories,
    shared,
  }));
const device = fc.record({
  type: fc.constantFrom('character' as const, 'block' as const),
  major: number,
  minor: number,
});
const inode = fc.oneof(
  fc.tuple(attributes, content).map(([a, c]) => ({ type: 'file' as const, ...a, ...c })),
  fc
    .tuple(attributes, text({ maxLength: 60 }))
    .map(([a, target]) => ({ type: 'symlink' as const, ...a, target })),
  fc.tuple(attributes, device).map(([a, d]) => ({ ...a, ...d })),
  attributes.map((a) => ({ type: 'fifo' as const, ...a })),
  fc.tuple(attributes, directory).map(([a, d]) => ({ type: 'directory' as const, ...a, ...d })),
);
const entry: fc.Arbitrary<Entry> = fc.oneof(
  { weight: 5, arbitrary: inode },
  { weight: 1, arbitrary: number.map((link) => ({ type: 'shared' as const, link })) },
);

function encoded(value: Entry): Buffer {
  const writer = new ByteWriter();
  writeEntry(writer, value);
  return Buffer.from(writer.view());
}

/** Reads an entry as far as it can be read; anything but an error of its own is thrown. */
function tryToRead(work: () => unknown): boolean {
  try {
    work();
    return true;
  } catch (error) {
    if (error instanceof CasError && error.code === 'LAYER_DAMAGED') return false;
    throw error;
  }
}

/** Reads all that a node has. */
function readAll(node: Buffer): void {
  const read = readNode(node);
  if (read.kind === 'leaf') for (let i = 0; i < read.count; i++) read.entry(i);
  if (read.kind === 'index') for (let i = 0; i < read.count; i++) read.record(i);
}

function nodesOf(entries: readonly (readonly [string, Entry])[]): readonly Buffer[] {
  const sink = new NodeSink();
  const cutter = new LeafCutter(sink);
  const names = new Map(entries);
  for (const name of [...names.keys()].sort()) {
    const value = names.get(name);
    if (value) cutter.add(name, encoded(value));
  }
  const content = cutter.finish();
  const root = { ...content, type: 'directory', mode: 0, uid: 0, gid: 0, xattrs: [] } as const;
  const record = new RootRecord({ ...root, mtime: { seconds: 0, nanoseconds: 0 } }, content, 1);
  sink.put('root', (into) => writeRoot(into, record));
  return sink.nodes.map(([, node]) => node);
}

const names = fc.array(fc.tuple(text({ minLength: 1, maxLength: 255 }), entry), { maxLength: 20 });

test('numbers come back, each in as few bytes as it needs', (t) => {
  const property = fc.property(fc.array(number), (numbers) => {
    const writer = new ByteWriter();
    for (const one of numbers) writer.uint(one);
    const reader = new ByteReader(writer.view());
    const size = numbers.reduce((sum, one) => sum + Math.max(1, Math.ceil(one.toString(2).length / 7)), 0);
    return writer.length === size && numbers.every((one) => reader.uint() === one) && reader.left === 0;
  });
  fc.assert(property, propertySettings(t, 500));
  t.pass();
});

test('a number that is longer than it needs to be, or too large, is damage', (t) => {
  for (const hex of ['8000', 'ff00', 'ffffffffffffffff7f', '80', '808080808080808010']) {
    t.throws(() => new ByteReader(Buffer.from(hex, 'hex')).uint(), { code: 'LAYER_DAMAGED' }, hex);
  }
});

test('entries come back as they were', (t) => {
  const property = fc.property(entry, (value) => {
    t.deepEqual(readEntry(new ByteReader(encoded(value))), value);
  });
  fc.assert(property, propertySettings(t, 1000));
});

test('an entry that is cut short, or goes on, is damage', (t) => {
  const property = fc.property(entry, (value) => {
    const whole = encoded(value);
    for (let size = 0; size < whole.length; size++) {
      if (tryToRead(() => readEntry(new ByteReader(whole.subarray(0, size))))) return false;
    }
    return !tryToRead(() => readEntry(new ByteReader(Buffer.concat([whole, Buffer.alloc(1)]))));
  });
  fc.assert(property, propertySettings(t, 100));
  t.pass();
});

test('a leaf has its names in order, and finds each', (t) => {
  const property = fc.property(names, (entries) => {
    const expected = new Map(entries);
    const leaf = readNode(nodesOf(entries)[0] ?? Buffer.alloc(0));
    if (!(leaf instanceof Leaf)) return false;
    const sorted = [...expected.keys()].sort((a, b) =>
      Buffer.compare(Buffer.from(a, 'latin1'), Buffer.from(b, 'latin1')),
    );
    t.deepEqual(
      Array.from({ length: leaf.count }, (_, index) => leaf.name(index)),
      sorted,
    );
    let start = 0;
    for (const [index, name] of sorted.entries()) {
      const value = expected.get(name);
      t.is(leaf.indexOf(name), index);
      t.is(leaf.indexOf(`${name}\0`), sorted.indexOf(`${name}\0`));
      t.deepEqual(leaf.entry(index), value);
      t.is(leaf.start(index), start);
      t.is(leaf.covering(start), index);
      start += 1 + (value?.type === 'directory' ? value.total : 0);
      t.is(leaf.covering(start - 1), index);
    }
    t.is(leaf.sums.total, start);
    return true;
  });
  fc.assert(property, propertySettings(t, 200));
});

test('what is no node is damage: random bytes', (t) => {
  const bodies = fc.tuple(fc.constantFrom(0, 1, 2, 3, 4), fc.uint8Array({ maxLength: 200 }));
  const property = fc.property(bodies, ([kind, body]) => {
    tryToRead(() => readAll(Buffer.from([1, kind, ...body])));
    tryToRead(() => readAll(Buffer.from(body)));
  });
  fc.assert(property, propertySettings(t, 20_000));
  t.pass();
});

test('what is no node is damage: nodes with a few bytes changed', (t) => {
  const changes = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 3 });
  const property = fc.property(names, changes, fc.nat(2), (entries, changed, cut) => {
    for (const node of nodesOf(entries)) {
      const damaged = Buffer.from(node);
      for (const [at, value] of changed) damaged[at % damaged.length] = value;
      tryToRead(() =>
        readAll(cut === 0 ? damaged.subarray(0, (changed[0]?.[0] ?? 0) % damaged.length) : damaged),
      );
    }
  });
  fc.assert(property, propertySettings(t, 3000));
  t.pass();
});
