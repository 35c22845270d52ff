import { createHash } from 'node:crypto';
import fs from 'node:fs';
import { join } from 'node:path';
import type { Operation } from '../../../store/metadata/session.js';
import { PayloadIndex, type Rows } from '../../../store/payloads/index.js';
import type { Payload } from '../../../store/payloads/location.js';
import { type FinishedPayloads, PayloadWriter } from '../../../store/payloads/writer.js';

/** Rows in memory. */
export class MemoryRows implements Rows {
  readonly rows = new Map<string, Buffer>();
  /** How many keys were asked for at a time. */
  readonly asked: number[] = [];

  getMany(keys: Buffer[]): Promise<(Buffer | undefined)[]> {
    this.asked.push(keys.length);
    return Promise.resolve(keys.map((key) => this.rows.get(key.toString('hex'))));
  }

  apply(operations: Iterable<Operation>): void {
    for (const { key, value } of operations) {
      if (value) this.rows.set(key.toString('hex'), Buffer.from(value));
      else this.rows.delete(key.toString('hex'));
    }
  }
}

/** A store in a directory that has payloads only. */
export class PayloadStore {
  readonly rows = new MemoryRows();
  readonly index = new PayloadIndex(this.rows);
  readonly root: string;

  constructor(root: string) {
    this.root = root;
  }

  writer(): PayloadWriter {
    return new PayloadWriter(this.root, this.index);
  }

  /** Stores contents as a registration does: in pieces as they come from a source, waiting in between. */
  async put(
    contents: readonly Buffer[],
    piece = 1 << 20,
  ): Promise<FinishedPayloads & { payloads: Payload[] }> {
    const writer = this.writer();
    const pending = [];
    for (const content of contents) {
      writer.begin(content.length);
      for (let start = 0; start < content.length; start += piece) {
        // A view that changes as soon as the call has returned.
        const view = Buffer.from(content.subarray(start, start + piece));
        writer.data(view);
        view.fill(0);
        await writer.drain();
      }
      pending.push(writer.end());
    }
    const finished = await writer.finish();
    this.rows.apply(finished.rows);
    return { ...finished, payloads: pending.map(({ payload }) => known(payload)) };
  }

  path(...names: string[]): string {
    return join(this.root, 'payloads', ...names);
  }

  /** The names in a directory of the payloads. */
  names(...names: string[]): string[] {
    return fs.readdirSync(this.path(...names)).sort();
  }
}

export const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

/** A payload that must be known. */
export function known(payload: Payload | undefined): Payload {
  if (payload === undefined) throw new Error('the payload is not known');
  return payload;
}
