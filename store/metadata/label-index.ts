import { createHash } from 'node:crypto';
import { type Digest, isDigest } from '../digest.js';
import type { Database, Operation } from './database.js';

/** The form of the rows; a change of it has the index built anew. */
export const LABEL_ROWS = 'labels 1';

/** The key space of labels. */
const SPACE = 'L';

/** Longer values are indexed by their SHA-256, in bytes. */
const LONGEST = 128;

/** A label that a blob must have; with any value where none is given. */
export interface LabelCondition {
  readonly key: string;
  readonly value?: Uint8Array;
}

/** A label and the blob that has it. */
export interface LabelRow extends LabelCondition {
  readonly value: Uint8Array;
  readonly digest: Digest;
}

/** The row that says that a blob has a label: `L<key>\0=<value>\0<digest>`, or `#<sha256>` for `=<value>`. It has no value. */
export function labelRow({ key, value, digest }: LabelRow): Buffer {
  return Buffer.concat([labelPrefix({ key, value }), Buffer.from(digest)]);
}

function labelPrefix({ key, value }: LabelCondition): Buffer {
  const name = Buffer.from(`${SPACE}${key}\0`);
  if (value === undefined) return name;
  const indexed =
    value.length > LONGEST
      ? Buffer.from(`#${createHash('sha256').update(value).digest('hex')}`)
      : Buffer.concat([Buffer.from('='), value]);
  return Buffer.concat([name, indexed, Buffer.of(0)]);
}

/** The operations that write rows. */
export function putLabels(rows: readonly LabelRow[]): Operation[] {
  return rows.map((row) => ({ key: labelRow(row), value: new Uint8Array() }));
}

/** Who may have a label, by rows of the index, in batches: each row and the blob it names. */
export async function* findLabelled(
  database: Database,
  condition: LabelCondition,
): AsyncGenerator<(readonly [row: Buffer, digest: Digest])[]> {
  const prefix = labelPrefix(condition);
  for await (const rows of database.iterate(prefix)) {
    yield rows.flatMap(([row]) => {
      const digest = row.toString('utf8', row.lastIndexOf(0) + 1);
      // A value may hold NUL bytes, so the prefix may be that of the row of a longer value.
      const other = condition.value !== undefined && row.length !== prefix.length + digest.length;
      return other || !isDigest(digest) ? [] : [[row, digest] as const];
    });
  }
}
