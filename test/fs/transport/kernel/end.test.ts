import { spawn } from 'node:child_process';
import test from 'ava';
import { mountAt } from '../../../../fs/mounts.js';
import { temporaryDirectory } from '../../../helpers/temporary.js';
import { mountTree, shell } from './mounted-tree.js';

test.serial('the mount ends when it is unmounted from outside', async (t) => {
  const tree = await mountTree(t);
  await shell(`umount ${tree.path}`, '/');
  t.is((await tree.hears('ended')).error, undefined);
});

test.serial(
  'a mount that is in use is not unmounted unless lazily, and serves those who use it',
  async (t) => {
    const tree = await mountTree(t);
    const user = spawn('sh', ['-c', 'exec 5< hello; read line; cat <&5'], { cwd: tree.path });
    const printed = new Promise((resolve) => user.stdout.on('data', (data) => resolve(String(data))));
    await shell(`until [ -e /proc/${user.pid ?? 0}/fd/5 ]; do :; done`, '/');
    t.is((await tree.ask('unmount')).error, 'EBUSY');
    t.is((await tree.ask('unmount-lazily')).error, undefined);
    t.is(mountAt(tree.path), undefined);
    user.stdin.end('\n');
    t.is(await printed, 'hello\n');
    t.is((await tree.hears('ended')).error, undefined);
  },
);

test.serial('another mount that covers the mount is left alone', async (t) => {
  const tree = await mountTree(t);
  await shell(`mount -t tmpfs foreign ${tree.path}`, '/');
  t.is((await tree.ask('unmount-lazily')).error, 'EBUSY');
  t.is(mountAt(tree.path)?.source, 'foreign');
  await shell(`umount ${tree.path}`, '/');
  t.is((await tree.ask('unmount')).error, undefined);
  await tree.hears('ended');
});

test.serial('an abort fails every request under way and to come, and detaches the mount', async (t) => {
  const tree = await mountTree(t);
  const waiting = shell('cat slow 2>&1 || true', tree.path);
  await tree.hears('waiting');
  await tree.ask('abort');
  t.regex(await waiting, /not connected|aborted|Input\/output error/i);
  t.is(mountAt(tree.path), undefined);
  await tree.ask('go');
  t.is((await tree.hears('ended')).open, 0);
});

test.serial(
  'files that are open when the connection is aborted from outside are released, and the mount is detached',
  async (t) => {
    const tree = await mountTree(t);
    const control = temporaryDirectory(t);
    await shell(`mount -t fusectl none ${control}`, '/');
    t.teardown(() => shell(`umount ${control}`, '/'));
    const holder = spawn('sh', ['-c', 'exec 5< hello; echo open; read line'], { cwd: tree.path });
    t.teardown(() => holder.kill());
    await new Promise((resolve) => holder.stdout.once('data', resolve));
    t.is((await tree.ask('report')).open, 1);
    await shell(`echo 1 > ${mountAt(tree.path)?.minor ?? 0}/abort`, control);
    const { error, open } = await tree.hears('ended');
    t.regex(error ?? '', /ECONNABORTED/);
    t.is(open, 0);
    t.is(mountAt(tree.path), undefined);
  },
);

test.serial('a daemon that is killed leaves no caller waiting', async (t) => {
  const tree = await mountTree(t);
  const waiting = shell('cat slow 2>&1 || true', tree.path);
  await tree.hears('waiting');
  tree.child.kill('SIGKILL');
  t.regex(await waiting, /not connected|aborted/i);
  const { type, source } = mountAt(tree.path) ?? {};
  t.deepEqual({ type, source }, { type: 'fuse.cas-mount', source: '/a store, spaced' });
});
