import type { ByteText } from '../tar/entry.js';
import { ByteReader, ByteWriter } from './bytes.js';
import { readDirectoryContent, TAG } from './entry-codec.js';
import type { DirectoryContent } from './inode.js';
import { type LeafRecord, writeIndex } from './leaf-index.js';
import type { NodeSink } from './node-sink.js';
import { NOTHING, plus, type Sums } from './sums.js';

/**
 * A leaf ends after a name whose hash says so, one in 256, but has at least 32 names. So a name that comes or goes
 * moves the next few boundaries at most. Names or sizes chosen with intent cannot make a leaf larger than the last two
 * limits allow.
 */
const BOUNDARY_MASK = 255;
const FEWEST = 32;
const MOST = 1024;
const LARGEST = 64 << 10;

/** Cuts the names of one directory after the other, given in order, into leaves. The same names always give the same leaves. */
export class LeafCutter {
  readonly #sink: NodeSink;
  #leaves: LeafRecord[] = [];
  readonly #writer = new ByteWriter();
  #first: ByteText = '';
  #entries = 0;
  #total = 0;
  #subdirectories = 0;
  #shared = 0;

  constructor(sink: NodeSink) {
    this.#sink = sink;
  }

  /** Whether a leaf begins with the next name. */
  get atBoundary(): boolean {
    return this.#entries === 0;
  }

  /** Takes a leaf as it is. Only at a boundary, and only one that ends with a boundary or the directory. */
  reuse(leaf: LeafRecord): void {
    this.#leaves.push(leaf);
  }

  add(name: ByteText, body: Buffer): void {
    if (this.#entries === 0) this.#first = name;
    this.#count(body);
    this.#writer.name(name);
    this.#writer.blob(body);
    const atName = this.#entries >= FEWEST && (hashName(name) & BOUNDARY_MASK) === 0;
    if (atName || this.#entries >= MOST || this.#writer.length >= LARGEST) this.#cut();
  }

  /** The directory of all that was given. What is given next belongs to another one. */
  finish(): DirectoryContent {
    if (this.#entries > 0 || this.#leaves.length === 0) this.#cut();
    const leaves = this.#leaves;
    this.#leaves = [];
    const { total, subdirectories, shared } = leaves.reduce((sums, leaf) => plus(sums, leaf.sums), NOTHING);
    const [only] = leaves;
    const node =
      only && leaves.length === 1 ? only.node : this.#sink.put('index', (into) => writeIndex(into, leaves));
    return { node, total, subdirectories, shared };
  }

  #count(body: Buffer): void {
    this.#entries++;
    this.#total++;
    if (body[0] === TAG.shared) this.#shared++;
    if (body[0] !== TAG.directory) return;
    const content = readDirectoryContent(new ByteReader(body, 1));
    this.#subdirectories++;
    this.#total += content.total;
    this.#shared += content.shared;
  }

  #cut(): void {
    const sums: Sums = {
      entries: this.#entries,
      total: this.#total,
      subdirectories: this.#subdirectories,
      shared: this.#shared,
    };
    const node = this.#sink.put('leaf', (into) => {
      into.uint(sums.entries);
      into.raw(this.#writer.view());
    });
    this.#leaves.push({ first: this.#first, node, sums });
    this.#writer.clear();
    this.#entries = this.#total = this.#subdirectories = this.#shared = 0;
  }
}

/** FNV-1a, its bits mixed once more, since a mask takes the lowest. */
function hashName(name: ByteText): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d);
  return hash ^ (hash >>> 12);
}
