import { join } from 'node:path';
import { openStore } from '../../store/store.js';
import { smallDisk } from '../e2e/disk.js';
import { cutPower, empty, fill, mountAgain, rooted } from '../helpers/disks.js';
import { errnoFrom, untilRefused } from '../helpers/errno.js';
import { temporaryStore } from '../helpers/stores.js';
import { commit, find, set, untilIndexed, valuesByTool } from './label-tools.js';

rooted('on a full disk setting a label is ENOSPC, and removing one or a blob works', async (t) => {
  const disk = await smallDisk(t, 16);
  const { store } = await temporaryStore(t, { root: join(disk, 'store') });
  const [a, b] = [await commit(store, 'a'), await commit(store, 'b')];
  await untilIndexed(store);
  await set(store, a, 'k', 'v');
  await set(store, b, 'k', 'v');
  fill(disk);
  const value = (time: number): string => `${time}`.padEnd(100, '.');
  const { done, errno } = await untilRefused((time) => set(store, a, 'more', value(time)));
  t.is(errno, 'ENOSPC');
  t.deepEqual(valuesByTool(store.blobs.path(a), 'more'), done === 0 ? [] : [value(done - 1)]);
  t.deepEqual(await find(store, 'k=v'), [a, b].sort());
  await store.labels.remove(a, 'k');
  await store.blobs.remove(b);
  t.deepEqual(await find(store, 'k'), []);
  empty(disk);
  await set(store, a, 'more', 'at last');
  t.deepEqual(await find(store, 'more=at last'), [a]);
  t.deepEqual(await find(store, 'k'), []);
});

rooted('labels that were set and removed are so after a power cut, and are found by the index', async (t) => {
  const disk = await smallDisk(t, 16);
  const root = join(disk, 'store');
  const first = await openStore(root);
  const [a, b, c] = [await commit(first, 'a'), await commit(first, 'b'), await commit(first, 'c')];
  await untilIndexed(first);
  await first.close();
  for (let round = 0; round < 5; round++) {
    const store = await openStore(root);
    await set(store, a, 'k', `${round}`);
    await set(store, b, 'removed', 'v');
    await store.labels.remove(b, 'removed');
    await set(store, c, 'of a blob that goes', 'v');
    await store.blobs.remove(c);
    cutPower(disk);
    t.is(await errnoFrom(() => set(store, b, 'late', 'v')), 'EIO');
    await store.close().catch(() => undefined);
    await mountAgain(disk);

    const again = await openStore(root);
    t.deepEqual(valuesByTool(again.blobs.path(a), 'k'), [`${round}`]);
    t.deepEqual(valuesByTool(again.blobs.path(b), 'removed'), []);
    await untilIndexed(again);
    t.deepEqual(await find(again, `k=${round}`), [a]);
    t.deepEqual(await find(again, 'removed'), []);
    // Whether the removal of a blob is on the disk is not promised; that it is found by its labels if it is there, is.
    t.deepEqual(await find(again, 'of a blob that goes'), again.blobs.stat(c) === undefined ? [] : [c]);
    if (again.blobs.stat(c) === undefined) await commit(again, 'c');
    await again.close();
  }
});
