import { promises } from 'node:fs';
import { crc32 } from 'node:zlib';
import { ifPresent, onPool } from '../files.js';

/** What the witness knows of the database beside it. */
export interface Testimony {
  /** The number of the last batch that was acknowledged; 0 before the first one. */
  readonly sequence: number;
  /** Whether the database was built to its end. */
  readonly whole: boolean;
  /** What it is a database of; see DatabaseOptions. */
  readonly contents: string;
}

/** Two slots that take turns, and one for {@link Witness.trial}. Each has a page, so that a torn write spoils but one. */
const SLOT = 4096;
const TRIALS = 2 * SLOT;

/**
 * A small file beside the database that tells which of its batches were acknowledged: LevelDB 1.20 opens a log that
 * was cut, damaged or removed without a word, and without the rows. Its blocks are there from the start, so writing
 * it needs no space on file systems that overwrite in place. It is also the mark that there was a database.
 */
export class Witness {
  readonly #file: promises.FileHandle;

  private constructor(file: promises.FileHandle) {
    this.#file = file;
  }

  /** Opens the witness at `path`; undefined where there is none. */
  static async open(path: string): Promise<Witness | undefined> {
    const file = await ifPresent(promises.open(path, 'r+'));
    return file && new Witness(file);
  }

  /** Makes the witness of a database that has no batch yet, durable but for its name. */
  static async create(path: string, contents: string): Promise<Witness> {
    const witness = new Witness(await promises.open(path, 'wx+', 0o600));
    try {
      await witness.#file.write(Buffer.alloc(3 * SLOT), 0, 3 * SLOT, 0);
      await witness.write({ sequence: 0, whole: false, contents });
      await witness.#file.sync();
      return witness;
    } catch (error) {
      await witness.close();
      throw error;
    }
  }

  /** The last testimony; undefined where neither slot can be read. A torn slot is that of a batch never acknowledged. */
  async read(): Promise<Testimony | undefined> {
    const slots = [await this.#read(0), await this.#read(SLOT)] as (Testimony | undefined)[];
    return slots
      .filter((slot) => slot !== undefined)
      .sort((a, b) => b.sequence - a.sequence)
      .at(0);
  }

  /** Replaces the last but one testimony; on the disk when it returns. */
  async write(testimony: Testimony): Promise<void> {
    await this.#write((testimony.sequence % 2) * SLOT, testimony);
    await onPool(this.#file.datasync());
  }

  /** How often in a row this process or earlier ones have tried the database and died of it. */
  async trials(): Promise<number> {
    return ((await this.#read(TRIALS)) as number | undefined) ?? 0;
  }

  /** Notes {@link trials}; it outlives the process, which is all that it must. */
  async tried(trials: number): Promise<void> {
    await this.#write(TRIALS, trials);
  }

  close(): Promise<void> {
    return this.#file.close();
  }

  async #read(offset: number): Promise<unknown> {
    const { buffer, bytesRead } = await this.#file.read(Buffer.alloc(SLOT), 0, SLOT, offset);
    const [, sum, text] = /^([0-9a-f]{8}) (.*)\n/.exec(buffer.toString('utf8', 0, bytesRead)) ?? [];
    return text !== undefined && sum === checksumOf(text) ? JSON.parse(text) : undefined;
  }

  async #write(offset: number, value: Testimony | number): Promise<void> {
    const text = JSON.stringify(value);
    const slot = Buffer.alloc(SLOT);
    slot.write(`${checksumOf(text)} ${text}\n`);
    for (let done = 0; done < SLOT;)
      done += (await this.#file.write(slot, done, SLOT - done, offset + done)).bytesWritten;
  }
}

function checksumOf(text: string): string {
  return crc32(text).toString(16).padStart(8, '0');
}
