import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import { dirname, join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { Level } from 'level';
import { type Digest, parseDigest } from '../../../store/digest.js';
import { type Holder, USER } from '../../../store/layers/holders.js';
import type { Layer } from '../../../store/layers/layer.js';
import type { LayerSource } from '../../../store/layers/layer-source.js';
import type { Layers, Registration } from '../../../store/layers/layers.js';
import type { LayerLimits } from '../../../store/layers/limits.js';
import { type LayersOptions, type OpenLayers, openLayers } from '../../../store/layers/open-layers.js';
import { readContent } from '../../../store/payloads/read-content.js';
import type { StoreEvent } from '../../../store/report.js';
import type { Stacks } from '../../../store/stacks/stacks.js';
import { temporaryDirectory } from '../../helpers/temporary.js';
import { walkTree } from '../tree/trees.js';

/** The layers of a directory of the test's own. */
export class TestLayers {
  readonly root: string;
  readonly events: StoreEvent[] = [];
  readonly #options: LayersOptions;
  #open: OpenLayers;

  constructor(root: string, options: LayersOptions) {
    this.root = root;
    this.#options = options;
    this.#open = this.#opened();
  }

  get layers(): Layers {
    return this.#open.layers;
  }

  get stacks(): Stacks {
    return this.#open.stacks;
  }

  /** What was reported as wrong. */
  get complaints(): readonly string[] {
    return this.events.filter(({ level }) => level !== 'info').map(({ message }) => message);
  }

  close(): Promise<void> {
    return this.#open.close();
  }

  /** Closes, has something done to the files, and opens again. */
  async reopen(between: () => unknown = () => undefined): Promise<Layers> {
    await this.close();
    await between();
    this.#open = this.#opened();
    await this.stacks.load();
    return this.layers;
  }

  path(...names: string[]): string {
    return join(this.root, ...names);
  }

  /** The names in a directory; none where there is none. */
  names(...path: string[]): string[] {
    return fs.existsSync(this.path(...path)) ? fs.readdirSync(this.path(...path)).sort() : [];
  }

  /** What of layers is on the disk, by what it is. */
  get onDisk(): { layers: number; staged: number; sets: number } {
    return {
      layers: this.names('layers', 'sha256').length,
      staged: this.names('layers', 'staging').length,
      sets: this.names('payloads').length,
    };
  }

  /** Registers a tar for the user, or for who is given. */
  add(bytes: Buffer, parent?: Layer, how: Partial<Registration> = {}): Promise<Layer> {
    return this.layers.register(sourceOf(bytes), {
      holder: USER,
      ...(parent && { parent: parent.chain }),
      ...how,
    });
  }

  /** How many rows of each kind LevelDB has; to be called while closed. */
  async rows(): Promise<Record<string, number>> {
    const level = new Level(this.path('layers', 'index', 'rows'), {
      keyEncoding: 'buffer',
      valueEncoding: 'buffer',
    });
    const rows: Record<string, number> = {};
    for await (const key of level.keys()) {
      const kind = String.fromCharCode((key as unknown as Buffer)[0] ?? 0);
      if (kind !== '\0') rows[kind] = (rows[kind] ?? 0) + 1;
    }
    await level.close();
    return rows;
  }

  #opened(): OpenLayers {
    fs.mkdirSync(this.root, { recursive: true });
    return openLayers(this.root, this.#options, (event) => this.events.push(event));
  }
}

interface Wanted {
  readonly root?: string;
  readonly verify?: boolean;
}

/** Layers that end with the test. */
export function temporaryLayers(
  t: ExecutionContext,
  { root = temporaryDirectory(t), verify = false, ...limits }: Partial<LayerLimits> & Wanted = {},
): TestLayers {
  const made = new TestLayers(root, { limits, verify });
  t.teardown(() => made.close());
  return made;
}

/** Bytes as a source, in pieces. */
export function sourceOf(bytes: Buffer, piece = 1 << 18): LayerSource {
  async function* pieces(): AsyncGenerator<Buffer> {
    for (let at = 0; at < bytes.length; at += piece)
      yield await Promise.resolve(bytes.subarray(at, at + piece));
  }
  return { size: bytes.length, bytes: pieces() };
}

export const holder = (name: string): Holder => name as Holder;

/** What is in a tree, by path: bytes of a file; a directory where the path ends with a slash. */
export type Files = Readonly<Record<string, Buffer | string>>;

/** A tar of files by GNU tar, in the order of their names; the same for the same files. */
export function tarOf(t: ExecutionContext, files: Files): Buffer {
  const directory = temporaryDirectory(t);
  for (const [path, bytes] of Object.entries(files)) {
    const target = join(directory, path);
    fs.mkdirSync(path.endsWith('/') ? target : dirname(target), { recursive: true });
    if (!path.endsWith('/')) fs.writeFileSync(target, bytes);
  }
  const same = ['--sort=name', '--mtime=@1700000000', '--owner=0', '--group=0', '--mode=u+rw,go=rX'];
  return execFileSync('tar', [...same, '--format=gnu', '-C', directory, '-cf', '-', '.'], {
    maxBuffer: 1 << 30,
  });
}

/** Bytes that no two seeds have in common and that do not compress. */
export function noise(size: number, seed: string): Buffer {
  const parts: Buffer[] = [];
  for (let at = 0; at < size; at += 64) parts.push(createHash('sha512').update(`${seed} ${at}`).digest());
  return Buffer.concat(parts).subarray(0, size);
}

/** SHA-256 by Node's own. */
export function digestOf(bytes: Uint8Array): Digest {
  return parseDigest(`sha256:${createHash('sha256').update(bytes).digest('hex')}`);
}

/** The bytes of a layer's tar, read back in pieces. */
export async function tarBytes(layers: Layers, layer: Layer, piece = 100_000): Promise<Buffer> {
  const tar = await layers.tar(layer);
  const bytes = Buffer.alloc(tar.size);
  for (let at = 0; at < bytes.length; at += piece) await tar.read(bytes.subarray(at, at + piece), at);
  return bytes;
}

/** All that a merged tree shows: each path with its number, its inode, and the digest of its contents. */
export async function listing(layers: Layers, layer: Layer): Promise<string[]> {
  const lines: string[] = [];
  for (const { path, number, nlink, inode } of await walkTree(await layers.tree(layer), 50)) {
    const { type, mode, uid, gid, mtime } = inode;
    const facts = [path, number, type, mode.toString(8), uid, gid, mtime.seconds, nlink];
    if (inode.type === 'file') {
      const bytes = Buffer.alloc(inode.size);
      await readContent(layers.payloads.reader, inode, bytes, 0);
      facts.push(inode.size, digestOf(bytes));
    }
    if (inode.type === 'symlink') facts.push(inode.target);
    lines.push(facts.join(' '));
  }
  return lines;
}

/** Bytes that a directory takes on the disk, as du(1) says. */
export function diskUsage(path: string): number {
  return Number(execFileSync('du', ['-s', '-B1', path]).toString().split('\t')[0]);
}
