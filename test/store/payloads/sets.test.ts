import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import test from 'ava';
import type { Payload } from '../../../store/payloads/location.js';
import { PayloadReader } from '../../../store/payloads/reader.js';
import { removeSet, sets, trim } from '../../../store/payloads/sets.js';
import { openFileSystemSync } from '../../../store/sync-file-system.js';
import { smallDisk } from '../../e2e/disk.js';
import { seededBytes } from '../../helpers/bytes.js';
import { openDescriptors } from '../../helpers/descriptors.js';
import { cutPower, empty, fill, mountAgain, rooted } from '../../helpers/disks.js';
import { temporaryDirectory } from '../../helpers/temporary.js';
import { known, PayloadStore } from './tools.js';

async function isWhole(store: PayloadStore, payload: Payload, content: Buffer): Promise<boolean> {
  const reader = new PayloadReader(store.root);
  const into = Buffer.alloc(content.length);
  await reader.read(payload, into, 0);
  await reader.close();
  return into.equals(content);
}

test('sets are listed and removed', async (t) => {
  const store = new PayloadStore(temporaryDirectory(t));
  t.deepEqual(await sets(store.root), []);
  const first = await store.put([seededBytes(10)]);
  const second = await store.put([seededBytes(100_000)]);
  fs.mkdirSync(store.path('something else'));
  t.deepEqual(await sets(store.root), [first.set, second.set].sort());
  await removeSet(store.root, first.set ?? '');
  await removeSet(store.root, first.set ?? '');
  t.deepEqual(await sets(store.root), [second.set]);
});

test('what is kept of a set stays whole where it is, and the space of the rest is free', async (t) => {
  const store = new PayloadStore(temporaryDirectory(t));
  const contents = Array.from({ length: 300 }, (_, seed) =>
    seededBytes(seed % 100 === 0 ? 150_000 : 1000 + seed * 50, seed + 1),
  );
  const { payloads, set = '' } = await store.put(contents);
  const pack = store.path(set, 'pack');
  const before = fs.statSync(pack);
  const isKept = (number: number): boolean =>
    number === 100 || (number !== 200 && number > 110 && number % 20 < 3);
  const keep = payloads.filter((_, number) => isKept(number));
  await trim(store.root, set, [...keep, ...keep, { ...known(payloads[0]), location: { set: 'another' } }]);
  for (const [number, content] of contents.entries()) {
    const payload = known(payloads[number]);
    if (isKept(number)) t.true(await isWhole(store, payload, content), `${number}`);
    else if (content.length < 65_536) {
      const { offset = 0 } = payload.location;
      const [start, end] = [
        Math.ceil(offset / 4096) * 4096,
        Math.floor((offset + payload.size) / 4096) * 4096,
      ];
      const hole = fs.readFileSync(pack).subarray(start, Math.max(start, end));
      t.true(
        hole.every((byte) => byte === 0),
        `${number}`,
      );
    }
  }
  t.deepEqual(store.names(set), [payloads[100]?.digest.toString('hex'), 'pack'].sort());
  t.is(fs.statSync(pack).size, before.size);
  t.true(fs.statSync(pack).blocks < before.blocks / 4);
  t.is(execFileSync('stat', ['-c', '%s', pack]).toString().trim(), `${before.size}`);

  await trim(store.root, set, [known(payloads[100])]);
  t.deepEqual(store.names(set), [payloads[100]?.digest.toString('hex')]);
  await trim(store.root, set, []);
  t.deepEqual(await sets(store.root), []);
});

test('rows of payloads that go are removed, but not those of copies elsewhere', async (t) => {
  const store = new PayloadStore(temporaryDirectory(t));
  const contents = [seededBytes(10, 1), seededBytes(100_000, 2)];
  const [one, other] = [store.writer(), store.writer()];
  // Two at once do not know of each other.
  const pending = [one, other].map((writer) =>
    contents.map((content) => {
      writer.begin(content.length);
      writer.data(content);
      return writer.end();
    }),
  );
  await Promise.all([one.settle(), other.settle()]);
  store.rows.apply((await one.finish()).rows);
  store.rows.apply((await other.finish()).rows);
  const [first = [], last = []] = pending.map((list) => list.map(({ payload }) => known(payload)));
  t.deepEqual(await store.index.forget(first), []);
  t.is((await store.index.forget(last)).length, 2);
  store.rows.apply(await store.index.forget(last));
  t.is(store.rows.rows.size, 0);
});

rooted('on a full disk the writer fails with ENOSPC, and giving up frees all of it', async (t) => {
  const disk = await smallDisk(t, 24);
  const store = new PayloadStore(disk);
  const kept = await store.put([seededBytes(1000, 1)]);
  for (const size of [1000, 60_000, 100_000, 3 << 20, 12 << 20]) {
    const writer = store.writer();
    const put = async (): Promise<void> => {
      for (let seed = 1; seed < 1000; seed++) {
        writer.begin(size);
        for (let start = 0; start < size; start += 1 << 20) {
          const part = seededBytes(Math.min(1 << 20, size - start), seed * 50 + (start >> 20) + 7);
          writer.data(part);
          await writer.drain();
        }
        writer.end();
        if (seed === 5) fill(disk);
      }
      await writer.settle();
    };
    await t.throwsAsync(put(), { code: 'ENOSPC' }, `${size}`);
    await writer.discard();
    t.deepEqual(await sets(store.root), [kept.set]);
    t.deepEqual(openDescriptors(store.root), []);
    if (fs.existsSync(`${disk}/filler`)) empty(disk);
  }
  t.is((await store.put([seededBytes(5 << 20, 3)])).stored, 5 << 20);
});

rooted(
  'payloads that were synced are there after a power cut, and a disk that has stopped is EIO',
  async (t) => {
    const disk = await smallDisk(t, 32);
    const store = new PayloadStore(disk);
    const contents = [10, 60_000, 100_000, 5 << 20].map((size, seed) => seededBytes(size, seed + 1));
    const fileSystem = await openFileSystemSync(disk);
    const { payloads } = await store.put(contents);
    await fileSystem.sync();
    await fileSystem.close();
    cutPower(disk);
    await mountAgain(disk);
    for (const [number, content] of contents.entries())
      t.true(await isWhole(store, known(payloads[number]), content));
    const again = await openFileSystemSync(disk);
    const writers = [store.writer(), store.writer()];
    cutPower(disk);
    for (const [number, writer] of writers.entries()) {
      const content = seededBytes(number === 0 ? 1000 : 5 << 20, 9);
      writer.begin(content.length);
      writer.data(content);
      writer.end();
      await t.throwsAsync(writer.settle(), { code: 'EIO' });
      await writer.discard().catch(() => undefined);
    }
    await t.throwsAsync(again.sync(), { code: 'EIO' });
    await again.close();
    await mountAgain(disk);
  },
);
