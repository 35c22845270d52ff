import type { Algorithm } from '../../../../store/digest.js';
import type { Ingest } from '../../../../store/ingest/ingest.js';
import type { Ingests } from '../../../../store/ingest/ingests.js';
import { parseRef } from '../../../../store/ref.js';

/** Writes all of `data`, and waits until it is free again. */
export async function write(ingest: Ingest, data: Uint8Array, offset: number): Promise<void> {
  for (let done = 0; done < data.length;) {
    const { size, held } = await ingest.write(data.subarray(done), offset + done);
    await held;
    done += size;
  }
}

/** The ingest at a ref that must be there. */
export async function find(ingests: Ingests, ref = 'x'): Promise<Ingest> {
  const ingest = await ingests.find(parseRef(ref));
  if (ingest === undefined) throw new Error(`${ref} is gone`);
  return ingest;
}

/** Appends the content up to each of the `ends`, with a rest after each, in which the state is saved. */
export async function transfer(
  ingests: Ingests,
  content: Uint8Array,
  ends: readonly number[],
  { ref = 'x', algorithm = 'sha256' }: { ref?: string; algorithm?: Algorithm } = {},
): Promise<Ingest> {
  const found = await ingests.find(parseRef(ref));
  found?.lock();
  const ingest = found ?? (await ingests.create(parseRef(ref), algorithm));
  for (const [index, end] of ends.entries()) {
    if (index > 0) ingest.lock();
    await write(ingest, content.subarray(ingest.size, end), ingest.size);
    ingest.unlock();
    await ingest.settle();
  }
  return ingest;
}
