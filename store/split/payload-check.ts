import { hash } from 'node:crypto';
import { createHasher } from '../hasher/engines.js';
import type { Hasher } from '../hasher/hasher.js';
import { hexOf } from '../digest.js';
import type { Payload } from '../payloads/location.js';
import { damaged } from '../payloads/reader.js';
import type { AssembledTar } from './assembled-tar.js';
import type { PlacedRecord } from './chunk.js';

/** Up to this size a payload that is there as a whole is hashed at once, as `Hasher` does. */
const AT_ONCE = 16 << 10;

/** Checks the digest of each payload of a tar as the bytes of the tar go by. */
export class PayloadCheck {
  readonly #tar: AssembledTar;
  #offset = 0;
  // The record in hand.
  #chunk = 0;
  #records: readonly PlacedRecord[] = [];
  #number = 0;
  /** What has been hashed of its payload. */
  #hasher: Hasher | undefined;

  constructor(tar: AssembledTar) {
    this.#tar = tar;
  }

  /** Takes the next bytes of the tar. @throws CasError LAYER_DAMAGED whose subject is the digest of a payload */
  async add(bytes: Buffer): Promise<void> {
    const start = this.#offset;
    const end = start + bytes.length;
    for (let record = await this.#current(); record; record = await this.#current()) {
      const { tarOffset, raw, payload } = record;
      const first = tarOffset + raw.length;
      const last = first + (payload?.size ?? 0);
      if (payload && first < end) {
        const part = bytes.subarray(Math.max(0, first - start), Math.min(end, last) - start);
        await this.#check(payload, part, last <= end);
      }
      if (last > end) break;
      this.#number++;
    }
    this.#offset = end;
  }

  /** Frees what it holds. */
  dispose(): void {
    this.#hasher?.dispose();
    this.#hasher = undefined;
  }

  async #current(): Promise<PlacedRecord | undefined> {
    while (this.#number >= this.#records.length && this.#chunk < this.#tar.chunks) {
      this.#records = await this.#tar.records(this.#chunk++);
      this.#number = 0;
    }
    return this.#records[this.#number];
  }

  async #check(payload: Payload, part: Buffer, isLast: boolean): Promise<void> {
    let found: string;
    if (part.length === payload.size && part.length <= AT_ONCE) found = hash('sha256', part, 'hex');
    else {
      this.#hasher ??= await createHasher('sha256');
      await this.#hasher.update(part);
      if (!isLast) return;
      found = hexOf(this.#hasher.digest());
      this.dispose();
    }
    if (found === payload.digest.toString('hex')) return;
    throw damaged(payload, 'these bytes', `sha256:${found}`);
  }
}
