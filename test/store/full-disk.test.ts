import fs from 'node:fs';
import { join } from 'node:path';
import { openStore } from '../../store/store.js';
import { smallDisk } from '../e2e/disk.js';
import { empty, fill, rooted } from '../helpers/disks.js';
import { digestOfBytes } from '../helpers/digests.js';
import { errnoFrom } from '../helpers/errno.js';
import { temporaryStore } from '../helpers/stores.js';

rooted(
  'a store that a full disk has no room for is refused with ENOSPC, whatever of it is there',
  async (t) => {
    const disk = await smallDisk(t, 8);
    const root = join(disk, 'a', 'store');
    fill(disk);
    t.is(await errnoFrom(() => openStore(root)), 'ENOSPC', 'nothing');
    empty(disk);
    await (await openStore(root)).close();
    const parts = ['blobs/sha512', 'blobs'];
    for (const part of parts) {
      fs.rmSync(join(root, part), { recursive: true });
      fill(disk);
      const error = await t.throwsAsync(openStore(root), { code: 'STORE_UNREADABLE' }, part);
      t.regex(error.message, /ENOSPC/, part);
      empty(disk);
      await (await openStore(root)).close();
    }
  },
);

rooted('the directories of ingests that a full disk has no room for are ENOSPC until it has', async (t) => {
  const disk = await smallDisk(t, 8);
  const root = join(disk, 'store');
  for (const part of ['ingest', 'fresh']) {
    const opened = await temporaryStore(t, { root });
    const { store } = opened;
    fs.rmSync(join(root, part), { recursive: true, force: true });
    fill(disk);
    t.is(await errnoFrom(() => store.ingests.list()), 'ENOSPC', part);
    empty(disk);
    t.deepEqual(await store.ingests.list(), []);
    await opened.close();
  }
});

rooted('what a full disk has no room to set aside stays, and why is said', async (t) => {
  const disk = await smallDisk(t, 8);
  const said: string[] = [];
  const root = join(disk, 'store');
  const { store } = await temporaryStore(t, {
    root,
    report: ({ fields }) => said.push(String(fields['error'])),
  });
  const path = store.blobs.path(await digestOfBytes(Buffer.from('content')));
  fs.writeFileSync(path, '');
  fill(disk);
  t.is(store.blobs.stat(await digestOfBytes(Buffer.from('content'))), undefined);
  t.regex(said.join(), /^Error: ENOSPC/);
  t.true(fs.existsSync(path));
  empty(disk);
});
