import { existsSync, promises } from 'node:fs';
import { dirname, join } from 'node:path';
import { CasError } from '../errors.js';
import { fsyncDirectory, onPool } from '../files.js';
import { type ByteLevel, openLevel, readThrough } from './level.js';
import { checksum, checksumIn, seal, unseal } from './row.js';
import { decodeTrailer, encodeTrailer, Ledger, TRAILER, type Trailer } from './trailer.js';
import { Witness } from './witness.js';

/** Puts `value` under `key`, or removes the key where there is no value. The first byte of a key is not 0. */
export interface Operation {
  readonly key: Buffer;
  readonly value?: Uint8Array;
}

/** A row as it is read. */
export type Row = readonly [key: Buffer, value: Buffer];

/** Rows that are read at a time: 500 take the main thread 2 to 3 ms. */
const CHUNK = 500;

/** How often a database may end the process that tries it before it is taken to be damaged. */
const TRIALS = 3;

const rowsIn = (directory: string): string => join(directory, 'rows');
const witnessIn = (directory: string): string => join(directory, 'witness');

/** A database as it is open: LevelDB in `rows/` and its witness. The first error of a write must be its end. */
export class Session {
  /** Whether it was built to its end. */
  whole: boolean;
  /** The scan that was started, if any; see {@link scan}. */
  scanned: Promise<void> | undefined;
  readonly #level: ByteLevel;
  readonly #witness: Witness;
  readonly #contents: string;
  #trailer: Trailer;

  constructor(level: ByteLevel, witness: Witness, contents: string, trailer: Trailer, whole: boolean) {
    this.#level = level;
    this.#witness = witness;
    this.#contents = contents;
    this.#trailer = trailer;
    this.whole = whole;
  }

  get rows(): number {
    return this.#trailer.ledger.rows;
  }

  async get(key: Buffer): Promise<Buffer | undefined> {
    const stored = await seek(this.#level, key);
    return stored === undefined ? undefined : unseal(key, stored);
  }

  /** The values of rows, by LevelDB's own get; see {@link seek} for what that may fail to see. */
  async getMany(keys: readonly Buffer[]): Promise<(Buffer | undefined)[]> {
    const stored = await this.#level.getMany([...keys]);
    return keys.map((key, index) => {
      const found = stored[index];
      return found === undefined ? undefined : unseal(key, found);
    });
  }

  /** The rows whose keys begin with `prefix` as they are now, in batches and in the order of their keys. */
  async *iterate(prefix: Buffer): AsyncGenerator<Row[]> {
    const iterator = this.#level.iterator({ ...rangeOf(prefix), highWaterMarkBytes: 1 << 18 });
    try {
      for (;;) {
        const stored = await iterator.nextv(CHUNK);
        if (stored.length === 0) return;
        yield stored.map(([key, value]) => [key, unseal(key, value)]);
      }
    } finally {
      await iterator.close();
    }
  }

  /**
   * Does all or none. The order is: the rows and their trailer, synced; then the witness, synced. So a batch that was
   * acknowledged is one the witness knows, and its loss is seen when the database is next opened.
   */
  async write(operations: readonly Operation[], whole = this.whole): Promise<void> {
    const ledger = this.#trailer.ledger.copy();
    // A row that this does not see, or an older one in its place, makes the ledger wrong: the next scan tells.
    const present = await this.getMany(operations.map(({ key }) => key));
    operations.forEach(({ key, value }, index) => {
      const old = present[index];
      if (old !== undefined) ledger.remove(key, checksum(key, old));
      if (value !== undefined) ledger.add(key, checksum(key, value));
    });
    const trailer = { sequence: this.#trailer.sequence + 1, ledger };
    // A batch that is put together piece by piece costs a tenth of one that is given as an array.
    const batch = this.#level.batch();
    for (const { key, value } of [...operations, { key: TRAILER, value: encodeTrailer(trailer) }]) {
      if (value === undefined) batch.del(key);
      else batch.put(key, seal(key, value));
    }
    await onPool(batch.write({ sync: true }));
    await this.#witness.write({ sequence: trailer.sequence, whole, contents: this.#contents });
    this.#trailer = trailer;
    this.whole = whole;
  }

  /**
   * Compares all rows with the ledger. It is what finds rows that a damaged table has lost.
   * @throws CasError METADATA_DAMAGED; what LevelDB throws
   */
  async scan(): Promise<void> {
    const found = new Ledger();
    let trailer: Trailer | undefined;
    const iterator = this.#level.iterator({ highWaterMarkBytes: 1 << 18 });
    try {
      for (;;) {
        const rows = await iterator.nextv(CHUNK);
        if (rows.length === 0) break;
        for (const [key, stored] of rows) {
          const value = unseal(key, stored);
          if (key.equals(TRAILER)) trailer = decodeTrailer(value);
          else found.add(key, checksumIn(stored));
        }
      }
    } finally {
      await iterator.close();
    }
    const expected = trailer?.ledger.toString();
    if (found.toString() !== expected)
      throw damaged(`rows ${found.toString()}`, `rows ${expected ?? 'unknown'}`);
    await this.#witness.tried(0);
  }

  async close(): Promise<void> {
    try {
      await this.#level.close();
      await this.#witness.tried(0);
    } finally {
      await this.#witness.close();
    }
  }
}

/**
 * Opens the database in `directory`. Undefined where there is none, where one was not built to its end, and where it
 * is one of other contents: nothing is lost then by making it anew.
 * @throws CasError METADATA_DAMAGED; what LevelDB and the system throw
 */
export async function openSession(directory: string, contents: string): Promise<Session | undefined> {
  const witness = await Witness.open(witnessIn(directory));
  const hasRows = existsSync(rowsIn(directory));
  if (witness === undefined) {
    if (hasRows) throw damaged('no witness');
    return undefined;
  }
  let level: ByteLevel | undefined;
  try {
    const testimony = await witness.read();
    if (testimony === undefined && hasRows) throw damaged('a witness that cannot be read');
    if (testimony?.whole !== true || testimony.contents !== contents) {
      await witness.close();
      return undefined;
    }
    if (!hasRows) throw damaged('no rows');
    level = await tryLevel(rowsIn(directory), witness);
    const trailer = await trailerOf(level);
    if (trailer.sequence < testimony.sequence)
      throw damaged(`batch ${trailer.sequence}`, `batch ${testimony.sequence}, which was acknowledged`);
    return new Session(level, witness, contents, trailer, true);
  } catch (error) {
    await level?.close();
    await witness.tried(0).catch(() => undefined);
    await witness.close();
    throw error;
  }
}

/** Makes a database in `directory`, removing what is there. It is whole once a write says so. */
export async function createSession(directory: string, contents: string): Promise<Session> {
  await promises.rm(directory, { recursive: true, force: true });
  await promises.mkdir(directory, { mode: 0o700 });
  const witness = await Witness.create(witnessIn(directory), contents);
  try {
    const level = await openLevel(rowsIn(directory), 'create');
    await fsyncDirectory(directory);
    await fsyncDirectory(dirname(directory));
    return new Session(level, witness, contents, { sequence: 0, ledger: new Ledger() }, false);
  } catch (error) {
    await witness.close();
    throw error;
  }
}

/** Opens LevelDB on files that can be read, and remembers that it was tried until that has come to an end. */
async function tryLevel(rows: string, witness: Witness): Promise<ByteLevel> {
  await readThrough(rows);
  const trials = await witness.trials();
  if (trials >= TRIALS) throw damaged(`${trials} processes that ended while they opened it`);
  await witness.tried(trials + 1);
  return openLevel(rows, 'open');
}

async function trailerOf(level: ByteLevel): Promise<Trailer> {
  const stored = await seek(level, TRAILER);
  return stored === undefined
    ? { sequence: 0, ledger: new Ledger() }
    : decodeTrailer(unseal(TRAILER, stored));
}

/**
 * What is stored under a key. LevelDB's own get asks Bloom filters first, where a wrong bit hides a row, or shows an
 * older one in its place; its iterators do not. For a key that is not there they pass over all removed ones behind it.
 */
async function seek(level: ByteLevel, key: Buffer): Promise<Buffer | undefined> {
  const [row] = await level.iterator({ gte: key, lte: key, limit: 1 }).all();
  return row?.[1];
}

/** The keys that begin with `prefix`, which has a byte below 255. */
function rangeOf(prefix: Buffer): { gte: Buffer; lt: Buffer } {
  const end = Buffer.from(prefix.subarray(0, prefix.findLastIndex((byte) => byte < 255) + 1));
  end[end.length - 1] = (end.at(-1) ?? 0) + 1;
  return { gte: prefix, lt: end };
}

function damaged(found: string, expected?: string): CasError {
  return new CasError('METADATA_DAMAGED', { found, ...(expected !== undefined && { expected }) });
}
