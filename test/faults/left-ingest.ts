import { createHash } from 'node:crypto';
import fs from 'node:fs';
import { dirname, join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { type Algorithm, type Digest, digestOf } from '../../store/digest.js';
import type { Ingest } from '../../store/ingest/ingest.js';
import { seededBytes } from '../helpers/bytes.js';
import { digestOfBytes, digestOfFile } from '../helpers/digests.js';
import { errnoFrom } from '../helpers/errno.js';
import { temporaryStore, type TemporaryStore } from '../helpers/stores.js';
import { directoryOf, restartMachine, statePath } from '../store/ingest/checkpoints/on-disk.js';
import { find, transfer, write } from '../store/ingest/checkpoints/sessions.js';

/** How many bytes of the ingest are there, and how many it is to have. */
export const SIZE = 200_000;
const TOTAL = 230_000;

/** Where its states are: the second one has hashed all that is there. */
export const STATES = [90_000, SIZE] as const;

/** An ingest that a run has left with its states, which can be put back as it was: its data keeps the inode. */
export class LeftIngest {
  readonly directory: string;
  /** Of all its bytes, with those that are to come. */
  readonly digest: Digest;
  readonly #opened: TemporaryStore;
  readonly #algorithm: Algorithm;
  readonly #ref: string;
  /** What its directory held, but the data. */
  readonly #files = new Map<string, Buffer>();

  private constructor(opened: TemporaryStore, algorithm: Algorithm, ref: string, digest: Digest) {
    this.#opened = opened;
    this.#algorithm = algorithm;
    this.#ref = ref;
    this.digest = digest;
    this.directory = directoryOf(opened.root, ref);
  }

  /** `boot`: the one in which the states were saved. */
  static async of(t: ExecutionContext, algorithm: Algorithm, boot: 'this' | 'another'): Promise<LeftIngest> {
    const opened = await temporaryStore(t);
    const ref = algorithm === 'sha256' ? 'x' : `/blobs/${algorithm}/x.tmp`;
    const left = new LeftIngest(opened, algorithm, ref, await digestOfBytes(content, algorithm));
    await transfer(opened.store.ingests, content, STATES, { ref, algorithm });
    await opened.close();
    if (boot === 'another') restartMachine(left.directory);
    const states = STATES.map((offset) => `hashstates/${algorithm}/${offset}`);
    for (const name of ['ref', 'checkpoints', ...states])
      left.#files.set(name, fs.readFileSync(join(left.directory, name)));
    return left;
  }

  /** The paths of its files. */
  get data(): string {
    return join(this.directory, 'data');
  }

  get seals(): string {
    return join(this.directory, 'checkpoints');
  }

  state(offset: number = SIZE): string {
    return statePath(this.directory, offset, this.#algorithm);
  }

  /** Puts everything back, with the store closed. */
  async restore(): Promise<void> {
    await this.#opened.close();
    if (!fs.existsSync(this.data)) {
      const blobs = join(this.#opened.root, 'blobs', this.#algorithm);
      fs.mkdirSync(this.directory, { recursive: true, mode: 0o1700 });
      fs.renameSync(join(blobs, fs.readdirSync(blobs)[0] ?? ''), this.data);
    }
    fs.chmodSync(this.data, 0o600);
    const fd = fs.openSync(this.data, 'r+');
    fs.writeSync(fd, content, 0, SIZE, 0);
    fs.ftruncateSync(fd, SIZE);
    fs.closeSync(fd);
    for (const name of fs.readdirSync(this.directory))
      if (name !== 'data') fs.rmSync(join(this.directory, name), { recursive: true });
    for (const [name, bytes] of this.#files) {
      fs.mkdirSync(dirname(join(this.directory, name)), { recursive: true });
      fs.writeFileSync(join(this.directory, name), bytes);
    }
  }

  /** Opens the store and writes what is missing after what is there. */
  async complete(): Promise<Ingest> {
    const { ingests } = await this.#opened.reopen();
    const ingest = await find(ingests, this.#ref);
    ingest.lock();
    try {
      await write(ingest, content.subarray(ingest.size), ingest.size);
    } finally {
      ingest.unlock();
    }
    return ingest;
  }

  /** How a commit under that digest ends; `wrong` where other bytes are under the name then. */
  async commit(ingest: Ingest, digest: Digest): Promise<string> {
    const { ingests, blobs } = this.#opened.store;
    const ended = await errnoFrom(() => ingests.commit(ingest, { digest }));
    const path = blobs.path(digest);
    if (!fs.existsSync(path)) return ended === 'OK' ? 'no blob' : ended;
    return (await this.#digestOf(path)) === digest ? ended : 'wrong';
  }

  /** By node:crypto where it has the algorithm: that takes no process. */
  async #digestOf(path: string): Promise<Digest> {
    const algorithm = this.#algorithm;
    if (algorithm === 'blake3') return digestOfFile(path, algorithm);
    return digestOf(algorithm, createHash(algorithm).update(fs.readFileSync(path)).digest('hex'));
  }
}

const content = seededBytes(TOTAL);

/** The bytes that are to come. */
export const rest = content.subarray(SIZE);
