import assert from 'node:assert/strict';
import { seededBytes } from '../helpers/bytes.js';
import { digestOfBytes } from '../helpers/digests.js';
import { errnoFrom } from '../helpers/errno.js';
import type { Subject, Writer } from './subject.js';

/** An ingest as the model has it. */
export interface ModelIngest {
  content: Buffer;
  /** A writer has it open. */
  open: boolean;
  /** Committed, aborted or replaced: a writer that still has it open writes in vain. */
  gone: boolean;
  total: number | undefined;
}

/** What a store holds, in memory: the reference that a subject is compared with. */
export class Model {
  readonly refs: readonly string[];
  readonly ingests = new Map<string, ModelIngest>();
  readonly blobs = new Map<string, Buffer>();
  /** The open files, each with the ingest it writes to. */
  readonly writers: ModelIngest[] = [];

  constructor(refs: readonly string[]) {
    this.refs = refs;
  }

  ref(index: number): string {
    return this.refs[index % this.refs.length] ?? '';
  }

  drop(ref: string): void {
    const ingest = this.ingests.get(ref);
    if (ingest !== undefined) ingest.gone = true;
    this.ingests.delete(ref);
  }
}

/** The subject under test and its open files, in the order of the model's. */
export interface Real {
  readonly subject: Subject;
  readonly writers: Writer[];
}

/** Asserts that an action ends as the model says. */
export async function ends(expected: string, action: () => Promise<unknown>): Promise<void> {
  assert.equal(await errnoFrom(action), expected);
}

/** The bytes that a command writes; those of one seed begin alike. */
export function contentOf(size: number, seed: number): Buffer {
  return seededBytes(size, seed);
}

/** Asserts that the subject holds what the model holds, no more and no less of the model's own. */
export async function compare(model: Model, { subject }: Real): Promise<void> {
  const listed = new Set(await subject.list());
  for (const ref of model.refs) {
    const ingest = model.ingests.get(ref);
    assert.equal(listed.has(ref), ingest !== undefined, `${ref} is listed`);
    if (ingest === undefined) continue;
    assert.ok((await subject.readIngest(ref)).equals(ingest.content), `bytes of ${ref}`);
    const { size, offset, digest } = await subject.status(ref);
    assert.equal(size, ingest.content.length, `size of ${ref}`);
    const prefix = await digestOfBytes(ingest.content.subarray(0, offset));
    assert.equal(digest, prefix, `digest of the first ${offset} bytes of ${ref}`);
  }
  const blobs = new Set(await subject.blobs('sha256'));
  for (const [digest, content] of model.blobs) {
    assert.ok(blobs.has(digest.slice(digest.indexOf(':') + 1)), `${digest} is listed`);
    assert.ok((await subject.readBlob(digest)).equals(content), `bytes of ${digest}`);
  }
}

/** Removes all that the model knows of, so that the next run begins with nothing. */
export async function clear(model: Model, { subject, writers }: Real): Promise<void> {
  for (const writer of writers) await writer.close();
  for (const ref of model.ingests.keys()) await subject.abort(ref);
  for (const digest of model.blobs.keys()) await subject.removeBlob(digest);
}
