import { bootId } from '../../boot.js';
import type { Algorithm } from '../../digest.js';
import { fstat } from '../../files.js';
import { createHasher } from '../../hasher/engines.js';
import { Lane } from '../../lane.js';
import { sampleOf } from './sample.js';
import { isSealOf, sealState, type WrittenSeal } from './seal.js';
import {
  type HashState,
  readSeals,
  readStates,
  removeOtherStates,
  removeSeals,
  removeStates,
  writeSeals,
  writeState,
} from './state-files.js';
import { surplus } from './thin.js';

/** A hash state that is saved, with what it is bound to. */
export interface Checkpoint extends HashState {
  readonly seal: WrittenSeal;
}

/**
 * The saved hash states of one ingest.
 *
 * Invariant: the bytes below a trusted state are those it has hashed. So a state is saved only when they are durable
 * and unchanged, and it is gone from the disk for good before one of them may change ({@link clear}).
 */
export class Checkpoints {
  readonly algorithm: Algorithm;
  readonly #directory: () => string | undefined;
  /** Ascending. */
  #trusted: Checkpoint[] = [];
  /** Those of an earlier boot, ascending: the bytes below must reproduce them. */
  #earlier: Checkpoint[] = [];
  /** How many bytes are durable, by the seals on disk; undefined where there are none. */
  #vouched: number | undefined;
  /** What is being changed on disk: one change follows the other, and none is made before it has ended. */
  readonly changes = new Lane();

  /** `directory` tells the ingest's, which may move; undefined while it has none. */
  constructor(algorithm: Algorithm, directory: () => string | undefined) {
    this.algorithm = algorithm;
    this.#directory = directory;
  }

  /** Those of an earlier boot, by ascending offset. */
  get earlier(): readonly Checkpoint[] {
    return this.#earlier;
  }

  /** Whether there are any. */
  get any(): boolean {
    return this.#trusted.length + this.#earlier.length > 0;
  }

  /** The trusted state with the highest offset that is not above `offset`. */
  best(offset: number): Checkpoint | undefined {
    return this.#trusted.findLast((checkpoint) => checkpoint.offset <= offset);
  }

  /**
   * Reads what was saved of the data file `fd`, and removes what cannot be used: states beyond its end, without a
   * whole seal, of another file or algorithm, and all those of this boot where a sample shows other bytes than before.
   */
  load(fd: number): Promise<void> {
    return this.changes.run(() => this.#load(fd));
  }

  /**
   * Removes every state above `offset`, one that is being saved included: bytes from there on are about to change.
   * Undefined where there is none. `hashed` is how far hashing has come, which no state can be above.
   */
  clear(offset: number, hashed: number): Promise<void> | undefined {
    const { busy } = this.changes;
    if (busy !== undefined && hashed > offset) return busy.then(() => this.clear(offset, hashed));
    const stale = [...this.#trusted, ...this.#earlier].filter((checkpoint) => checkpoint.offset > offset);
    return stale.length === 0 ? undefined : this.changes.run(() => this.#remove(stale));
  }

  /** The bytes below a state of an earlier boot have reproduced it. */
  async prove({ offset }: Checkpoint): Promise<void> {
    const proven = this.#earlier.find((checkpoint) => checkpoint.offset === offset);
    if (proven === undefined) return;
    const seal = sealState({ ...proven.seal, boot: bootId() }, proven.state);
    this.#earlier = this.#earlier.filter((checkpoint) => checkpoint !== proven);
    this.#trusted = insert(this.#trusted, { ...proven, seal });
    await this.changes.run(async () => {
      const directory = this.#directory();
      if (directory !== undefined) await this.#writeSeals(directory);
    });
  }

  /**
   * Saves a state of the data file `fd`, whose first `size` bytes are durable, unless `isCurrent` tells that bytes
   * below it are no longer those it has hashed.
   */
  save(fd: number, hashed: HashState, size: number, isCurrent: () => boolean): Promise<void> {
    return this.changes.run(() => this.#save(fd, hashed, size, isCurrent));
  }

  /** Whether a recovery would take fewer than `size` bytes for durable. */
  underrates(size: number): boolean {
    return this.#vouched !== undefined && this.#vouched < size;
  }

  /**
   * Writes down that `size` bytes are durable. Where that cannot be written the seals are removed: a recovery that
   * knows nothing cuts nothing off.
   */
  vouch(size: number): Promise<void> {
    return this.changes.run(async () => {
      const directory = this.#directory();
      if (directory === undefined || !this.underrates(size)) return;
      const resealed = (checkpoint: Checkpoint): Checkpoint => ({
        ...checkpoint,
        seal: sealState({ ...checkpoint.seal, size }, checkpoint.state),
      });
      [this.#trusted, this.#earlier] = [this.#trusted.map(resealed), this.#earlier.map(resealed)];
      try {
        await this.#writeSeals(directory);
      } catch {
        await removeSeals(directory);
        this.#vouched = undefined;
      }
    });
  }

  async #load(fd: number): Promise<void> {
    const directory = this.#directory();
    if (directory === undefined) return;
    await removeOtherStates(directory, this.algorithm);
    const [states, seals] = await Promise.all([readStates(directory, this.algorithm), readSeals(directory)]);
    this.#vouched = durableBy(seals);
    const sound: Checkpoint[] = [];
    for (const state of states) {
      const seal = seals.find(
        ({ algorithm, offset }) => algorithm === this.algorithm && offset === state.offset,
      );
      if (seal !== undefined && (await isUsable(fd, state, seal))) sound.push({ ...state, seal });
    }
    const boot = bootId();
    this.#trusted = sound.filter(({ seal }) => seal.boot === boot);
    this.#earlier = sound.filter(({ seal }) => seal.boot !== boot);
    const newest = this.#trusted.at(-1);
    if (newest !== undefined && (await sampleOf(fd, newest.offset)) !== newest.seal.sample)
      this.#trusted = [];
    const kept = new Set([...this.#trusted, ...this.#earlier].map(({ offset }) => offset));
    const dropped = states.map(({ offset }) => offset).filter((offset) => !kept.has(offset));
    await removeStates(directory, this.algorithm, dropped);
  }

  async #save(
    fd: number,
    { offset, state }: HashState,
    size: number,
    isCurrent: () => boolean,
  ): Promise<void> {
    const same = this.best(offset);
    if (!isCurrent() || (same?.offset === offset && same.seal.size === size)) return;
    const sample = await sampleOf(fd, offset);
    const directory = this.#directory();
    if (directory === undefined || !isCurrent()) return;
    const inode = `${fstat(fd).ino}`;
    const { algorithm } = this;
    const seal = sealState({ algorithm, offset, size, inode, boot: bootId(), sample }, state);
    const saved = { offset, state, seal };
    const next = insert(this.#trusted, saved);
    const given = new Set(surplus(next.map((checkpoint) => checkpoint.offset)));
    const kept = next.filter((checkpoint) => !given.has(checkpoint.offset));
    const seals = [...kept, ...this.#earlier].map(sealOf);
    await writeState(directory, algorithm, { offset, state }, seals);
    this.#trusted = insert(this.#trusted, saved);
    this.#vouched = durableBy(seals);
    await this.#remove(next.filter((checkpoint) => given.has(checkpoint.offset)));
  }

  async #remove(checkpoints: readonly Checkpoint[]): Promise<void> {
    if (checkpoints.length === 0) return;
    const gone = new Set(checkpoints.map(({ offset }) => offset));
    const directory = this.#directory();
    if (directory !== undefined) await removeStates(directory, this.algorithm, [...gone]);
    this.#trusted = this.#trusted.filter(({ offset }) => !gone.has(offset));
    this.#earlier = this.#earlier.filter(({ offset }) => !gone.has(offset));
  }

  /** Writes down the seals there are; no file where there are none. */
  async #writeSeals(directory: string): Promise<void> {
    const seals = [...this.#trusted, ...this.#earlier].map(sealOf);
    await (seals.length === 0 ? removeSeals(directory) : writeSeals(directory, seals));
    this.#vouched = durableBy(seals);
  }
}

function sealOf({ seal }: Checkpoint): WrittenSeal {
  return seal;
}

function durableBy(seals: readonly WrittenSeal[]): number | undefined {
  return seals.length === 0 ? undefined : Math.max(...seals.map((seal) => seal.size));
}

function insert(checkpoints: readonly Checkpoint[], checkpoint: Checkpoint): Checkpoint[] {
  const others = checkpoints.filter(({ offset }) => offset !== checkpoint.offset);
  return [...others, checkpoint].sort((a, b) => a.offset - b.offset);
}

/** Whether a state is whole, of its algorithm, and of the file as it is now. */
async function isUsable(fd: number, { offset, state }: HashState, seal: WrittenSeal): Promise<boolean> {
  const { ino, size } = fstat(fd);
  if (BigInt(offset) > size || `${ino}` !== seal.inode || !isSealOf(seal, state)) return false;
  try {
    const hasher = await createHasher(seal.algorithm, state);
    const { length } = hasher;
    hasher.dispose();
    return length === offset;
  } catch {
    return false;
  }
}
