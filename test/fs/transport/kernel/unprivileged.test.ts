import { chmodSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { mountAt } from '../../../../fs/mounts.js';
import { seededBytes } from '../../../helpers/bytes.js';
import { temporaryDirectory } from '../../../helpers/temporary.js';
import { mountTree, shell } from './mounted-tree.js';

const NOBODY = 65534;
const DEVICE = '/dev/fuse';
const mode = statSync(DEVICE).mode & 0o777;

test.before('others may open the device', () => chmodSync(DEVICE, 0o666));
test.after.always('others may what they could', () => chmodSync(DEVICE, mode));

test.serial('an ordinary user mounts through fusermount3 and works in the mount', async (t) => {
  const tree = await mountTree(t, { user: NOBODY });
  t.false(tree.passthrough);
  t.is(await tree.shell('echo mine > work/file; cat work/file; stat -c %u work/file'), `mine\n${NOBODY}\n`);
  t.is(await tree.shell('ls -U many | wc -l'), '10000\n');
  const line = await shell(`findmnt -n -o FSTYPE,SOURCE,OPTIONS ${tree.path}`, '/');
  t.regex(line, /^fuse.cas-mount \/a store, spaced rw,nosuid,nodev,.*user_id=65534/);
});

test.serial('root has no access to it', async (t) => {
  const tree = await mountTree(t, { user: NOBODY });
  t.regex(await shell(`ls ${tree.path} 2>&1 || true`, '/'), /Permission denied/);
});

test.serial('files with a descriptor below them are read there, piece by piece as in one', async (t) => {
  const source = join(temporaryDirectory(t), 'source');
  writeFileSync(source, seededBytes(3_000_001));
  chmodSync(join(source, '..'), 0o755);
  await shell(`sync ${source}; dd if=${source} iflag=nocache count=0 status=none`, '/');
  const tree = await mountTree(t, { user: NOBODY, backed: source });
  t.is(await tree.shell(`cmp backed ${source} && echo same`), 'same\n');
  const tail = 'dd bs=999983 skip=2 status=none';
  t.is(
    await tree.shell(`${tail} if=backed | sha256sum`),
    await shell(`${tail} if=${source} | sha256sum`, '/'),
  );
});

test.serial('it unmounts what it mounted, lazily if need be', async (t) => {
  const tree = await mountTree(t, { user: NOBODY });
  const waiting = tree.shell('cat slow 2>&1 || true');
  await tree.hears('waiting');
  t.is((await tree.ask('unmount')).error, 'EBUSY');
  t.is((await tree.ask('unmount-lazily')).error, undefined);
  t.is(mountAt(tree.path), undefined);
  await tree.ask('go');
  t.is(await waiting, 'slow\n');
  t.is((await tree.hears('ended')).error, undefined);
});

test.serial('what fusermount3 refuses is told in its words', async (t) => {
  const refused = mountTree(t, { user: NOBODY, options: 'allow_other' });
  await t.throwsAsync(refused, { message: /user_allow_other/ });
});
