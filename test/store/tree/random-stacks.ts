import { execFileSync } from 'node:child_process';
import type { EntryType, TarEntry } from '../../../store/tar/entry.js';
import type { FileContent } from '../../../store/tree/inode.js';
import type { Layer } from './trees.js';

export const SEED = process.env['CAS_TEST_SEED'] ?? '20250101';

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

/** A random stack of layers, and what a model of them that knows nothing of ours makes of it. */
export interface RandomStack {
  readonly layers: readonly Layer[];
  /** Null where the last layer must be refused. */
  readonly tree: readonly Record<string, unknown>[] | null;
}

/** So many stacks, the same for the same {@link SEED}. */
export function randomStacks(count: number): RandomStack[] {
  const args = ['test/store/tree/fixtures/layers.py', SEED, String(count)];
  const lines = execFileSync('python3', args, { encoding: 'utf8', maxBuffer: 1 << 28 })
    .trimEnd()
    .split('\n');
  return lines.map((line) => {
    const { layers, tree } = JSON.parse(line) as { layers: Printed[][]; tree: RandomStack['tree'] };
    return { layers: layers.map(toLayer), tree };
  });
}

function toLayer(printed: readonly Printed[]): Layer {
  const contents = new Map<TarEntry, FileContent>();
  const entries = printed.map(({ mtime, xattrs, sha256, ...rest }) => {
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
  });
  return { entries, content: (entry) => contents.get(entry) };
}
