import type { Operation, Write } from '../metadata/database.js';

/** When a batch is written: 10,000 rows take about 150 ms, of which each sync of the disk is the smaller part. */
const ROWS = 10_000;
const BYTES = 4 << 20;

/** Gathers rows into batches, each of which is a sync of the disk. */
export class Batches {
  readonly #write: Write;
  #rows: Operation[] = [];
  #bytes = 0;

  constructor(write: Write) {
    this.#write = write;
  }

  /** Adds rows; those that are given together are written together. */
  async add(...rows: readonly Operation[]): Promise<void> {
    for (const row of rows) {
      this.#rows.push(row);
      this.#bytes += row.key.length + (row.value?.length ?? 0);
    }
    if (this.#rows.length >= ROWS || this.#bytes >= BYTES) await this.end();
  }

  /** Writes what has been gathered. */
  async end(): Promise<void> {
    const rows = this.#rows;
    if (rows.length === 0) return;
    this.#rows = [];
    this.#bytes = 0;
    await this.#write(rows);
  }
}
