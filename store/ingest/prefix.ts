import type { Algorithm, Digest } from '../digest.js';
import { read } from '../files.js';
import { createHasher, emptyDigest } from '../hasher/engines.js';
import { DIRECT_LIMIT } from '../hasher/core.js';
import type { Hasher } from '../hasher/hasher.js';
import type { HashState } from './checkpoints/state-files.js';
import { GATHERED, Gathered } from './gathered.js';

/** How many bytes may wait to be hashed before writers are held back. */
const BACKLOG_LIMIT = 4 << 20;

/** How many pieces of work may still wait when a writer that was held back goes on. */
const PIECES_AHEAD = 8;

/** Bytes read at a time when the file itself is hashed. */
const PIECE = 1 << 20;

/** One run of hashing from where it starts; a reset abandons it and starts another. */
interface Run {
  readonly start: HashState | undefined;
  hasher: Hasher | undefined;
  /** Settles when all that was queued so far is hashed. */
  tail: Promise<void>;
  waiting: number;
  /** The last piece of work, as long as more can be added. */
  gathering: Gathered | undefined;
  abandoned: boolean;
}

/** How far hashing has come, and the digest of the bytes up to there. */
export interface Reached {
  readonly offset: number;
  readonly digest: Digest;
}

/** A state that was taken from a prefix. */
export interface Captured extends HashState {
  /** Whether the bytes it has hashed are still the first of the file. */
  readonly isCurrent: () => boolean;
}

/**
 * The digest of an ingest's first bytes, kept up to date as they arrive. `end` is where the next byte to be
 * queued belongs; `length` is how far hashing has come. Work is done strictly in order.
 */
export class Prefix {
  readonly algorithm: Algorithm;
  #run: Run = newRun();
  #end = 0;
  #backlog = 0;
  /** The latest pieces of work, oldest first. */
  #recent: Promise<void>[] = [];

  constructor(algorithm: Algorithm) {
    this.algorithm = algorithm;
  }

  /** Where the next byte to be hashed belongs. */
  get end(): number {
    return this.#end;
  }

  /** Bytes hashed so far, a prefix of the file. */
  get length(): number {
    return this.#run.hasher?.length ?? this.#run.start?.offset ?? 0;
  }

  /** Queues the bytes at `end`. Undefined when they are hashed already, else settles when `data` is free again. */
  append(data: Uint8Array): Promise<void> | undefined {
    this.#end += data.length;
    const run = this.#run;
    if (data.length <= GATHERED && (data.length > DIRECT_LIMIT || run.gathering !== undefined)) {
      this.#gather(data);
      return undefined;
    }
    if (run.waiting > 0 || run.hasher === undefined) {
      return this.#queue(data.length, (hasher) => (run.abandoned ? undefined : hasher.update(data)));
    }
    const pending = run.hasher.update(data);
    return pending && this.#queue(data.length, () => pending);
  }

  /** Queues the bytes of the file `fd` from `end` up to `until`, which must all be there. */
  catchUp(fd: number, until: number): Promise<void> {
    const start = this.#end;
    if (until <= start) return this.#run.tail;
    this.#end = until;
    const run = this.#run;
    // What is read from the file holds no memory of a writer, so it does not count as backlog.
    return this.#queue(0, (hasher) => hashRange(hasher, fd, start, until, () => run.abandoned));
  }

  /** Abandons everything: hashing starts again at 0, or where `start` has come to. */
  reset(start?: HashState): void {
    const old = this.#run;
    old.abandoned = true;
    endGathering(old);
    void old.tail.catch(() => undefined).then(() => old.hasher?.dispose());
    this.#run = newRun(start);
    this.#end = start?.offset ?? 0;
  }

  /** The state after all that was queued so far, in its turn among the other work. Bytes of a writer may be on their way. */
  capture(): Promise<Captured> {
    const run = this.#run;
    return this.#queue(0, (hasher) => ({
      offset: hasher.length,
      state: hasher.save(),
      isCurrent: () => !run.abandoned,
    }));
  }

  /** Settles when all that was queued is hashed; rejects with the error that stopped it. */
  settled(): Promise<void> {
    endGathering(this.#run);
    return this.#run.tail;
  }

  /** Settles at once while little waits to be hashed; else when all but the latest pieces of work are done. */
  async ready(): Promise<void> {
    if (this.#backlog > BACKLOG_LIMIT) await this.#recent[0]?.catch(() => undefined);
  }

  /** The digest of all that was queued so far, in its turn among the other work. */
  digest(): Promise<Digest> {
    return this.#queue(0, (hasher) => hasher.digest());
  }

  /**
   * How many bytes are hashed, and their digest, once all that was queued so far is; undefined where they have been
   * abandoned meanwhile. No hasher is made for a prefix that nothing was queued of.
   */
  async reached(): Promise<Reached | undefined> {
    const run = this.#run;
    if (run.waiting === 0 && this.length === 0) return { offset: 0, digest: emptyDigest(this.algorithm) };
    const reached = await this.#queue(0, (hasher) => ({ offset: hasher.length, digest: hasher.digest() }));
    return run.abandoned ? undefined : reached;
  }

  #gather(data: Uint8Array): void {
    const run = this.#run;
    this.#backlog += data.length;
    const gathered = run.gathering ?? this.#beginGathering(run);
    run.gathering = gathered.add(data) ? gathered : undefined;
  }

  /** Queues what is going to be gathered. */
  #beginGathering(run: Run): Gathered {
    const gathered = new Gathered();
    const hashed = this.#queue(0, async (hasher) => {
      await gathered.complete;
      if (run.gathering === gathered) run.gathering = undefined;
      if (!run.abandoned) await hasher.update(gathered.bytes);
    });
    const free = (): void => {
      gathered.end();
      if (run.gathering === gathered) run.gathering = undefined;
      this.#backlog -= gathered.length;
      gathered.free();
    };
    hashed.then(free, free);
    return gathered;
  }

  #queue<T>(size: number, work: (hasher: Hasher) => T | Promise<T>): Promise<T> {
    const run = this.#run;
    run.waiting++;
    endGathering(run);
    this.#backlog += size;
    const done = run.tail
      .then(async () => {
        run.hasher ??= await createHasher(this.algorithm, run.start?.state);
        return work(run.hasher);
      })
      .finally(() => {
        run.waiting--;
        this.#backlog -= size;
      });
    run.tail = done.then(() => undefined);
    run.tail.catch(() => undefined);
    this.#recent = [...this.#recent.slice(-(PIECES_AHEAD - 1)), run.tail];
    return done;
  }
}

/** What comes next is not hashed with what came before. */
function endGathering(run: Run): void {
  run.gathering?.end();
  run.gathering = undefined;
}

function newRun(start?: HashState): Run {
  return {
    start,
    hasher: undefined,
    tail: Promise.resolve(),
    waiting: 0,
    gathering: undefined,
    abandoned: false,
  };
}

/**
 * Feeds the bytes [start, until) of a file to a hasher, reading the next piece while one is hashed.
 * @throws Error where the file ends before `until`
 */
export async function hashRange(
  hasher: Hasher,
  fd: number,
  start: number,
  until: number,
  stopped: () => boolean = () => false,
): Promise<void> {
  const size = Math.min(PIECE, until - start);
  let [current, spare] = [Buffer.allocUnsafe(size), Buffer.allocUnsafe(size)];
  let hashing: Promise<void> | undefined;
  try {
    for (let offset = start; offset < until && !stopped();) {
      const count = await read(fd, current.subarray(0, Math.min(size, until - offset)), offset);
      await hashing;
      if (count === 0) throw new Error(`the file ends at ${offset}, before ${until}`);
      hashing = hasher.update(current.subarray(0, count));
      [current, spare] = [spare, current];
      offset += count;
    }
  } finally {
    // Nothing may be freed while the thread pool still hashes.
    await hashing;
  }
}
