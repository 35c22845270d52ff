import fs from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import type { SplitRecord } from '../../../store/split/record.js';
import { createSplitFile, readSplitChunks, readSplitFile } from '../../../store/split/split-file.js';
import type { SplitIndex } from '../../../store/split/split-index.js';
import { SplitWriter } from '../../../store/split/writer.js';
import { smallDisk } from '../../e2e/disk.js';
import { seededBytes } from '../../helpers/bytes.js';
import { openDescriptors } from '../../helpers/descriptors.js';
import { fill, rooted } from '../../helpers/disks.js';
import { temporaryDirectory } from '../../helpers/temporary.js';

async function write(path: string, records: Iterable<SplitRecord>): Promise<SplitIndex> {
  const file = await createSplitFile(path);
  try {
    const writer = new SplitWriter((chunk) => file.add(chunk));
    for (const record of records) await writer.add(record);
    const index = await writer.finish();
    await file.finish(index);
    return index;
  } catch (error) {
    await file.close();
    throw error;
  }
}

async function readAll(path: string): Promise<SplitRecord[]> {
  const records: SplitRecord[] = [];
  for await (const { raw, entry, payload } of readSplitFile(path))
    records.push(payload ? { raw, entry, payload } : { raw, entry });
  return records;
}

const someRecords = (count: number): SplitRecord[] =>
  Array.from({ length: count }, (_, number) => ({
    raw: seededBytes(700, number + 1),
    entry: number % 3 > 0,
    ...(number % 2 === 0
      ? {}
      : {
          payload: {
            digest: seededBytes(32, number + 9),
            size: number,
            location: { set: '0123456789ab', offset: number },
          },
        }),
  }));

test('a split file gives back its records, and its chunks with their index', async (t) => {
  const directory = temporaryDirectory(t);
  for (const count of [0, 1, 3000]) {
    const path = join(directory, `${count}`);
    const index = await write(path, someRecords(count));
    t.deepEqual(await readAll(path), someRecords(count));
    const chunks = readSplitChunks(path);
    let result = await chunks.next();
    const offsets: number[] = [];
    for (; !result.done; result = await chunks.next()) offsets.push(result.value.tarOffset);
    t.deepEqual(result.value, index);
    t.deepEqual(offsets, index.offsets);
    t.is(fs.statSync(path).mode & 0o777, 0o600);
  }
  await t.throwsAsync(createSplitFile(join(directory, '0')), { code: 'EEXIST' });
});

test('damage anywhere in a split file is found', async (t) => {
  const path = join(temporaryDirectory(t), 'split');
  await write(path, someRecords(1000));
  const whole = fs.readFileSync(path);
  const refused = async (bytes: Buffer, what: string): Promise<void> => {
    fs.writeFileSync(path, bytes);
    await t.throwsAsync(readAll(path), { code: 'LAYER_DAMAGED' }, what);
  };
  const places = Array.from({ length: 60 }, (_, number) => Math.floor((whole.length * number) / 60));
  for (const at of [...places, ...Array.from({ length: 40 }, (_, number) => whole.length - 1 - number)]) {
    const damaged = Buffer.from(whole);
    damaged[at] = (damaged[at] ?? 0) ^ 0x10;
    await refused(damaged, `byte ${at}`);
    await refused(whole.subarray(0, at), `${at} bytes`);
  }
  await refused(Buffer.concat([whole, Buffer.of(0)]), 'one more byte');
  // The first two chunks changed places.
  const [first, second] = [16 + whole.readUInt32BE(12), 0];
  const end = first + 4 + whole.readUInt32BE(first) + second;
  const swapped = [
    whole.subarray(0, 12),
    whole.subarray(first, end),
    whole.subarray(12, first),
    whole.subarray(end),
  ];
  await refused(Buffer.concat(swapped), 'swapped');
  t.deepEqual(openDescriptors(path), []);
  fs.writeFileSync(path, whole);
  t.is((await readAll(path)).length, 1000);
});

rooted('on a full disk the split file fails with ENOSPC', async (t) => {
  const disk = await smallDisk(t, 8);
  fill(disk);
  await t.throwsAsync(write(join(disk, 'split'), someRecords(3000)), { code: 'ENOSPC' });
  t.deepEqual(openDescriptors(disk), []);
});
