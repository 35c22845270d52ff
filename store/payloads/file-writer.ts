import { join } from 'node:path';
import { hexOf } from '../digest.js';
import { close, rename, unlink, writeAll } from '../files.js';
import { createHasher } from '../hasher/engines.js';
import type { Hasher } from '../hasher/hasher.js';
import { BLOCK } from './blocks.js';
import type { Destination, Pending } from './destination.js';

/** The most blocks that are kept in memory until the digest tells whether they must be written. */
const KEPT = 4;

let temporary = 0;

/** Puts one payload into a file of its own in a set. */
export class FileWriter {
  readonly #to: Destination;
  /** Where the bytes go as they come: a payload that does not fit into memory is dropped again if it is known. */
  readonly #temporary: string | undefined;
  #block: Buffer | undefined;
  #used = 0;
  #size = 0;
  // What follows belongs to the work under way, which is done step by step.
  #work: Promise<void> = Promise.resolve();
  #hasher: Hasher | undefined;
  readonly #kept: Buffer[] = [];
  #fd: number | undefined;
  #written = 0;

  constructor(to: Destination, size: number) {
    this.#to = to;
    this.#temporary = size > KEPT * BLOCK ? `new-${++temporary}` : undefined;
  }

  data(bytes: Uint8Array): void {
    for (let start = 0; start < bytes.length;) {
      this.#block ??= this.#to.blocks.take();
      const piece = bytes.subarray(start, start + BLOCK - this.#used);
      this.#block.set(piece, this.#used);
      this.#used += piece.length;
      start += piece.length;
      if (this.#used === BLOCK) this.#handOver();
    }
    this.#size += bytes.length;
  }

  end(pending: Pending): void {
    this.#handOver();
    this.#next(async () => {
      await this.#finish(pending);
      await this.close();
    });
  }

  /** Lets go of everything once nothing is under way. */
  async close(): Promise<void> {
    this.#hasher?.dispose();
    this.#hasher = undefined;
    if (this.#fd !== undefined) await close(this.#fd);
    this.#fd = undefined;
  }

  #handOver(): void {
    const { blocks } = this.#to;
    const [block, used] = [this.#block, this.#used];
    if (!block) return;
    [this.#block, this.#used] = [undefined, 0];
    this.#next(async () => {
      const data = block.subarray(0, used);
      this.#hasher ??= await createHasher('sha256');
      const written = this.#temporary ? this.#write(this.#temporary, data) : Promise.resolve();
      const steps = await Promise.allSettled([Promise.resolve(this.#hasher.update(data)), written]);
      // The file is closed after a failure, and must not be while it is written.
      for (const step of steps) if (step.status === 'rejected') throw step.reason;
      if (this.#temporary) blocks.give(block);
      else this.#kept.push(block);
    });
  }

  #next(step: () => Promise<void>): void {
    this.#work = this.#work.then(async () => {
      try {
        await step();
      } catch (error) {
        await this.close();
        throw error;
      }
    });
    this.#to.follow(this.#work);
  }

  async #write(name: string, data: Uint8Array): Promise<void> {
    this.#fd ??= await this.#to.directory.create(name);
    await writeAll(this.#fd, data, this.#written);
    this.#written += data.length;
  }

  async #finish(pending: Pending): Promise<void> {
    const { directory, blocks, ledger } = this.#to;
    this.#hasher ??= await createHasher('sha256');
    const hex = hexOf(this.#hasher.digest());
    const digest = Buffer.from(hex, 'hex');
    const [earlier] = await ledger.lookUp([digest]);
    const place = { set: directory.set };
    const payload = ledger.claim(digest, this.#size, earlier, place);
    const isNew = payload.location === place;
    if (this.#temporary) {
      const path = join(directory.path, this.#temporary);
      await (isNew ? rename(path, join(directory.path, hex)) : unlink(path));
    }
    for (const block of this.#kept) {
      if (isNew) await this.#write(hex, block.subarray(0, Math.min(BLOCK, this.#size - this.#written)));
      blocks.give(block);
    }
    pending.payload = payload;
  }
}
