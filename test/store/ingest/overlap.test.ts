import test from 'ava';
import { DataFile } from '../../../store/ingest/data-file.js';
import { createFresh } from '../../../store/ingest/fresh.js';
import { Ingest } from '../../../store/ingest/ingest.js';
import { parseRef } from '../../../store/ref.js';
import { seededBytes } from '../../helpers/bytes.js';
import { digestOfFile } from '../../helpers/digests.js';
import { temporaryStore } from '../../helpers/stores.js';

/** What is being changed now, as the file sees it. */
interface UnderWay {
  readonly start: number;
  readonly end: number;
}

test('writes that overlap, and truncations, are made one after the other, however many wait for one', async (t) => {
  const { store, root } = await temporaryStore(t);
  await store.ingests.load();
  const { record, data } = await createFresh(root, parseRef('x'), 0o600);
  const file = new DataFile(record.data, store.durability, 0, new Date(), { fd: data });
  const ingest = new Ingest({
    root,
    record,
    file,
    algorithm: 'sha256',
    policy: { verify: 'auto', checkpoint: Infinity },
    saved: undefined,
    report: () => undefined,
    onSettled: () => undefined,
  });
  const underWay = new Set<UnderWay>();
  const during = async <T>(range: UnderWay, action: () => Promise<T>): Promise<T> => {
    for (const other of underWay)
      if (other.start < range.end && range.start < other.end)
        t.fail(`[${range.start}, ${range.end}) with [${other.start}, ${other.end})`);
    underWay.add(range);
    try {
      return await action();
    } finally {
      underWay.delete(range);
    }
  };
  const [write, truncate] = [file.write.bind(file), file.truncate.bind(file)];
  file.write = (bytes, offset) =>
    during({ start: offset, end: offset + bytes.length }, () => write(bytes, offset));
  file.truncate = (size) => during({ start: 0, end: Infinity }, () => truncate(size));
  ingest.lock();
  for (let round = 0; round < 20; round++) {
    // All of the later ones wait for the first.
    await Promise.all([
      ingest.write(seededBytes(100_000, 1), 0),
      ingest.write(seededBytes(80_000, 2), 90_000),
      ingest.write(seededBytes(100_000, 3), 50_000),
      ...(round % 3 === 0 ? [ingest.truncate(70_000), ingest.truncate(0)] : []),
      ingest.write(seededBytes(10, 4), 99_995),
      ingest.write(seededBytes(120_000, 5), 60_000),
    ]);
  }
  ingest.unlock();
  const digest = await digestOfFile(record.data);
  await ingest.seal();
  t.is(await ingest.digest('sha256'), digest);
  await ingest.end();
});
