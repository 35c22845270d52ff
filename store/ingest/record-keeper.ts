import { Lane } from '../lane.js';
import { makeWritable, settleFresh } from './fresh.js';
import {
  type Expectations,
  type IngestRecord,
  type SettledRecord,
  writeExpectations,
  writeMode,
  writeNote,
  writeTimes,
} from './record.js';

/** An ingest's record: what of it is on disk, and the changes of it that are under way. */
export class RecordKeeper {
  readonly #root: string;
  readonly #onMoved: (record: IngestRecord) => void;
  #record: IngestRecord;
  /** The move of the record to its directory, while it is under way. */
  #settling: Promise<SettledRecord> | undefined;
  /**
   * What is on its way into the record, one change after the other: its directory cannot be removed while files are
   * made in it.
   */
  readonly changes = new Lane();

  /** `root` is the store's. `onMoved` is called when the data file has got another path. */
  constructor(root: string, record: IngestRecord, onMoved: (record: IngestRecord) => void) {
    this.#root = root;
    this.#record = record;
    this.#onMoved = onMoved;
  }

  get record(): IngestRecord {
    return this.#record;
  }

  /** Whether it has no directory yet. */
  get fresh(): boolean {
    return this.#record.directory === undefined;
  }

  /** The permissions an ingest is shown with, where its file does not have them yet. */
  get permissions(): number | undefined {
    return this.fresh ? this.#record.permissions : undefined;
  }

  /** Follows the record to another ref or to its directory. */
  move(record: IngestRecord): void {
    this.#record = record;
    this.#onMoved(record);
  }

  /** Gives the record its directory if it has none yet. */
  settle(): Promise<SettledRecord> {
    const { directory } = this.#record;
    if (directory !== undefined) return Promise.resolve({ ...this.#record, directory });
    this.#settling ??= this.#settle().finally(() => (this.#settling = undefined));
    return this.#settling;
  }

  /** Keeps the permissions of a fresh ingest; false where its file has to have them. */
  async keepPermissions(permissions: number): Promise<boolean> {
    await this.#settling?.catch(() => undefined);
    if (!this.fresh) return false;
    this.#record = { ...this.#record, permissions };
    return true;
  }

  /** Lets the file of one that could not get its directory, as on a full disk, be opened again by its owner. */
  async loosen(): Promise<void> {
    if (this.fresh) this.#record = await makeWritable(this.#record);
  }

  /** Writes down the times. containerd writes its own. */
  async writeTimes(updatedAt: Date): Promise<void> {
    if (this.#record.shared) return;
    return this.changes.run(async () => {
      const record = await this.settle();
      await writeTimes(record, updatedAt);
      const { error } = this.#record;
      if (error !== undefined) await writeNote(record.directory, 'error', error);
    });
  }

  /**
   * Remembers why a commit was refused; a fresh ingest writes it down with its times. It is told as long as this runs,
   * also where it cannot be written down.
   */
  noteError(error: string | undefined): void {
    if (error === this.#record.error) return;
    this.#record = { ...this.#record, error };
    if (!this.fresh) this.#note('error').catch(() => undefined);
  }

  /** Remembers the error of a sync. A later run must know of it: the kernel tells nobody of it again. */
  noteFailure(failure: string | undefined): void {
    if (failure === this.#record.failure) return;
    this.#record = { ...this.#record, failure };
    this.#note('failure').catch(() => undefined);
  }

  /** Writes down the permissions that a commit takes away; undefined when it is decided. */
  async keepMode(permissions: number | undefined): Promise<void> {
    await this.changes.run(async () => {
      const { directory } = this.#record;
      if (directory !== undefined) await writeMode(directory, permissions);
    });
  }

  /** Writes down what is declared. */
  expect(expectations: Expectations): Promise<void> {
    return this.changes.run(async () => {
      const { directory } = await this.settle();
      this.#record = { ...this.#record, ...expectations };
      await writeExpectations(directory, this.#record);
    });
  }

  /** Settles when nothing on disk is being changed. */
  async quiet(): Promise<void> {
    await this.changes.quiet();
    await this.#settling?.catch(() => undefined);
  }

  #note(name: 'error' | 'failure'): Promise<void> {
    return this.changes.run(async () => {
      const { directory } = await this.settle();
      await writeNote(directory, name, this.#record[name]);
    });
  }

  async #settle(): Promise<SettledRecord> {
    const record = await settleFresh(this.#root, this.#record);
    this.move({ ...this.#record, ...record });
    return record;
  }
}
