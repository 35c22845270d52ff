import { execFileSync } from 'node:child_process';
import test from 'ava';
import { CasError } from '../../../store/errors.js';
import type { EntryType, TarEntry } from '../../../store/tar/entry.js';
import type { FileContent, Inode, NodeDigest } from '../../../store/tree/inode.js';
import { TreeReader } from '../../../store/tree/reader.js';
import { Forest, walkTree } from './trees.js';

const SEED = process.env['CAS_TEST_SEED'] ?? '20250101';
const STACKS = 250;

/** An entry as fixtures/layers.py prints it. */
interface Printed {
  readonly type: EntryType;
  readonly name: string;
  readonly linkName: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly mtime: number;
  readonly size: number;
  readonly major: number;
  readonly minor: number;
  readonly xattrs: readonly (readonly [string, string])[];
  readonly sha256: string;
}

interface Stack {
  readonly layers: readonly (readonly Printed[])[];
  /** Null where the last layer must be refused. */
  readonly tree: readonly Record<string, unknown>[] | null;
}

const contents = new WeakMap<TarEntry, FileContent>();

function toEntry({ mtime, xattrs, sha256, ...rest }: Printed): TarEntry {
  const entry = {
    ...rest,
    stored: rest.size,
    mtime: { seconds: mtime, nanoseconds: 0 },
    xattrs: xattrs.map(([name, value]) => [name, Buffer.from(value)] as const),
  };
  const payload = {
    digest: Buffer.from(sha256, 'hex'),
    size: rest.size,
    location: { set: '0123456789ab', offset: 7 },
  };
  contents.set(entry, { size: rest.size, payload });
  return entry;
}

function details(inode: Inode): Record<string, unknown> {
  switch (inode.type) {
    case 'file':
      return { size: inode.size, sha256: inode.payload?.digest.toString('hex') };
    case 'symlink':
      return { target: inode.target };
    case 'character':
    case 'block':
      return { major: inode.major, minor: inode.minor };
    default:
      return {};
  }
}

async function printed(reader: TreeReader): Promise<Record<string, unknown>[]> {
  const first = new Map<number, string>();
  const all = await walkTree(reader);
  for (const { path, number } of all) if (!first.has(number)) first.set(number, path);
  return all.map(({ path, number, inode, nlink }) => ({
    path,
    first: first.get(number),
    type: inode.type,
    attributes: [
      inode.mode,
      inode.uid,
      inode.gid,
      inode.mtime.seconds,
      inode.xattrs.map(([name, value]) => [name, value.toString()]),
    ],
    nlink,
    ...details(inode),
  }));
}

test('random stacks of layers give the tree that an independent model makes of them', async (t) => {
  t.timeout(60_000);
  t.log(`seed ${SEED}, ${STACKS} stacks`);
  const args = ['test/store/tree/fixtures/layers.py', SEED, String(STACKS)];
  const lines = execFileSync('python3', args, { encoding: 'utf8', maxBuffer: 1 << 28 })
    .trimEnd()
    .split('\n');
  const stacks = lines.map((line) => JSON.parse(line) as Stack);
  t.is(stacks.length, STACKS);
  t.true(stacks.some(({ tree }) => tree === null));
  for (const { layers, tree } of stacks) {
    // So small that nodes are dropped and read again all the time.
    const forest = new Forest(2000);
    let base: NodeDigest | undefined;
    let refused = false;
    for (const [index, layer] of layers.entries()) {
      const entries = layer.map(toEntry);
      try {
        base = (await forest.build(base, { entries, content: (entry) => contents.get(entry) })).root;
      } catch (error) {
        refused = error instanceof CasError && error.code === 'LAYER_INVALID' && index === layers.length - 1;
        if (!refused) throw error;
      }
    }
    t.is(refused, tree === null);
    if (!tree || !base) continue;
    t.deepEqual(await printed(await TreeReader.open(forest.cache, base)), tree);
  }
});
