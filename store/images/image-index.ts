import { isDeepStrictEqual } from 'node:util';
import { CasError } from '../errors.js';
import { Lane } from '../lane.js';
import type { Report } from '../report.js';
import { chooseBase } from './choose-base.js';
import { type Descriptor, keyOf } from './descriptor.js';
import { type IndexSnapshot, isDamage, moveIndexAside, readIndexFile, writeIndexFile } from './index-file.js';
import { EMPTY_INDEX, type ImageIndexJson, indexText, MAX_INDEX, parseIndex } from './index-json.js';
import { mergeIndexes } from './merge.js';

export type { IndexSnapshot };

/** Is told of each change. */
export type IndexListener = (now: IndexSnapshot, before: IndexSnapshot) => void;

/** How many snapshots are remembered for {@link ImageIndex.at}, and how many bytes they may have together. */
const REMEMBERED = 256;
const REMEMBERED_BYTES = 4 * MAX_INDEX;

/** The version of a snapshot that only its writer knows. */
const OWN = -1;

const NOTHING: IndexSnapshot = {
  bytes: indexText(EMPTY_INDEX),
  index: EMPTY_INDEX,
  writtenAt: new Date(0),
  version: 0,
};

/**
 * index.json as a record: who reads it gets one snapshot, and what a writer has changed in the one it had read is merged
 * into the newest, so that no two writers undo each other's changes. A change is on the disk before it is acknowledged,
 * as `<root>/index.json`, which is replaced as a whole.
 */
export class ImageIndex {
  readonly #root: string;
  readonly #report: Report;
  readonly #changes = new Lane();
  readonly #listeners: IndexListener[] = [];
  /** The latest snapshots, the current one last. */
  #snapshots: IndexSnapshot[] = [];
  #loaded: Promise<void> | undefined;
  #refusal: string | undefined;

  constructor(root: string, report: Report) {
    this.#root = root;
    this.#report = report;
  }

  /**
   * Reads the index, once.
   * @throws CasError INDEX_DAMAGED where it is there and cannot be read; what is written then takes its place
   */
  load(): Promise<void> {
    this.#loaded ??= this.#load().catch((error: unknown) => {
      this.#loaded = undefined;
      throw isDamage(error)
        ? new CasError('INDEX_DAMAGED', { subject: 'index.json', found: String(error), cause: error })
        : error;
    });
    return this.#loaded;
  }

  /** The index as it is. Call after {@link load}. */
  get current(): IndexSnapshot {
    return this.#snapshots.at(-1) ?? NOTHING;
  }

  /** Why the last write was refused; undefined where it was not. */
  get refusal(): string | undefined {
    return this.#refusal;
  }

  /** The index as it was at a moment; where that is not remembered, one without entries, by which nothing was left out. */
  at(moment: Date): IndexSnapshot {
    return this.#snapshots.findLast(({ writtenAt }) => writtenAt <= moment) ?? NOTHING;
  }

  /** Has `listener` called after each change. */
  onChange(listener: IndexListener): void {
    this.#listeners.push(listener);
  }

  /**
   * Takes what a writer has made of one of the snapshots that it has read, the oldest first; see {@link chooseBase}.
   * Without changes by others since then it becomes the index byte for byte, else they are merged; see
   * {@link mergeIndexes}.
   * @returns what the writer knows of the index from now on: its own text, not what others have added
   * @throws CasError INDEX_INVALID, which leaves the index as it is; the system's own errors
   */
  async write(read: readonly IndexSnapshot[], bytes: Buffer): Promise<IndexSnapshot> {
    try {
      const written = parseIndex(bytes, 'index.json');
      const base = chooseBase(read, written) ?? NOTHING;
      await this.#change((now) =>
        now.index === base.index
          ? { bytes, index: written }
          : textOf(mergeIndexes(base.index, written, now.index)),
      );
      this.#refusal = undefined;
      return { bytes: NOTHING.bytes, index: written, writtenAt: new Date(), version: OWN };
    } catch (error) {
      this.#refusal = error instanceof Error ? error.message : String(error);
      throw error;
    }
  }

  /** Adds entries, in place of those of the same names or, without a name, of the same digests. */
  async put(entries: readonly Descriptor[]): Promise<void> {
    const keys = new Set(entries.map(keyOf));
    await this.#change(({ bytes, index }) => {
      const before = index.manifests.filter((entry) => keys.has(keyOf(entry)));
      if (isDeepStrictEqual(before, entries)) return { bytes, index };
      const others = index.manifests.filter((entry) => !keys.has(keyOf(entry)));
      return textOf({ ...index, manifests: [...others, ...entries] });
    });
    this.#refusal = undefined;
  }

  /** Removes some entries. Whether there were any. */
  async removeAll(which: (entry: Descriptor) => boolean): Promise<boolean> {
    let found = false;
    await this.#change(({ bytes, index }) => {
      const others = index.manifests.filter((other) => !which(other));
      found = others.length < index.manifests.length;
      return found ? textOf({ ...index, manifests: others }) : { bytes, index };
    });
    return found;
  }

  /** Acts while the index does not change. */
  undisturbed<T>(action: () => Promise<T>): Promise<T> {
    return this.#changes.run(action);
  }

  /** Waits for what is under way. */
  close(): Promise<void> {
    return this.#changes.quiet();
  }

  async #load(): Promise<void> {
    this.#snapshots = [await readIndexFile(this.#root)];
  }

  #change(change: (now: IndexSnapshot) => Pick<IndexSnapshot, 'bytes' | 'index'>): Promise<void> {
    return this.#changes.run(async () => {
      await this.#loadOrReplace();
      const before = this.current;
      const { bytes, index } = change(before);
      if (bytes.equals(before.bytes)) return;
      checkIndexSize(bytes);
      await writeIndexFile(this.#root, bytes);
      const now = { bytes, index, writtenAt: new Date(), version: before.version + 1 };
      this.#snapshots.push(now);
      this.#forget();
      for (const listener of this.#listeners) listener(now, before);
    });
  }

  /** Makes way for what is to be written where the index cannot be read. */
  async #loadOrReplace(): Promise<void> {
    try {
      await this.load();
    } catch (error) {
      if (!(error instanceof CasError) || error.code !== 'INDEX_DAMAGED') throw error;
      const moved = await moveIndexAside(this.#root);
      this.#report({ level: 'warn', message: 'a damaged index.json was moved aside', fields: { moved } });
      await this.load();
    }
  }

  #forget(): void {
    let bytes = this.#snapshots.reduce((sum, snapshot) => sum + snapshot.bytes.length, 0);
    while (this.#snapshots.length > 1 && (this.#snapshots.length > REMEMBERED || bytes > REMEMBERED_BYTES))
      bytes -= this.#snapshots.shift()?.bytes.length ?? 0;
  }
}

/** What is larger could not be read again. @throws CasError INDEX_INVALID, errno EFBIG */
function checkIndexSize({ length }: Buffer): void {
  if (length <= MAX_INDEX) return;
  const expected = `at most ${MAX_INDEX} bytes`;
  throw new CasError('INDEX_INVALID', { subject: 'index.json', errno: 'EFBIG', expected, found: length });
}

function textOf(index: ImageIndexJson): Pick<IndexSnapshot, 'bytes' | 'index'> {
  return { bytes: indexText(index), index };
}
