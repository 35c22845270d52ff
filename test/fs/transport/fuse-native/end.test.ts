import { spawn } from 'node:child_process';
import test from 'ava';
import { mountAt } from '../../../../fs/mounts.js';
import { temporaryDirectory } from '../../../helpers/temporary.js';
import { mount, shell } from './mounted.js';

test.serial('the mount ends when it is unmounted from outside, and nothing keeps the process', async (t) => {
  const mounted = await mount(t);
  await mounted.shell('cat hello; ls > /dev/null');
  await shell(`umount ${mounted.path}`, '/');
  t.is((await mounted.hears('ended')).error, undefined);
  t.is(await mounted.exited, 0);
});

test.serial(
  'a mount that is in use is not unmounted unless lazily, and serves those who use it',
  async (t) => {
    const mounted = await mount(t);
    const user = spawn('sh', ['-c', 'exec 5< hello; echo open; read line; cat <&5'], { cwd: mounted.path });
    const printed: string[] = [];
    await new Promise((resolve) => user.stdout.once('data', resolve));
    const closed = new Promise((resolve) => user.once('close', resolve));
    user.stdout.on('data', (data) => printed.push(String(data)));
    t.is((await mounted.ask('unmount')).error, 'EBUSY');
    t.is((await mounted.ask('unmount-lazily')).error, undefined);
    t.is(mountAt(mounted.path), undefined);
    user.stdin.end('\n');
    await closed;
    t.is(printed.join(''), 'hello\n');
    t.is((await mounted.hears('ended')).error, undefined);
    t.is(await mounted.exited, 0);
  },
);

test.serial('an abort fails every request under way and to come, and detaches the mount', async (t) => {
  const mounted = await mount(t);
  const waiting = mounted.shell('cat patient 2>&1 || true');
  await mounted.hears('waiting');
  await mounted.ask('abort');
  t.regex(await waiting, /not connected|connection abort|Input\/output error/);
  t.is(mountAt(mounted.path), undefined);
  t.is((await mounted.hears('ended')).open, 0);
  t.is(await mounted.exited, 0);
});

test.serial(
  'a connection that is aborted from outside ends the mount with an error, and detaches it',
  async (t) => {
    const mounted = await mount(t);
    const control = temporaryDirectory(t);
    await shell(`mount -t fusectl none ${control}`, '/');
    t.teardown(() => shell(`umount ${control}`, '/'));
    await shell(`echo 1 > ${mountAt(mounted.path)?.minor ?? 0}/abort`, control);
    t.is((await mounted.hears('ended')).error, 'ECONNABORTED');
    t.is(mountAt(mounted.path), undefined);
  },
);

test.serial('a daemon that is killed leaves no caller waiting', async (t) => {
  const mounted = await mount(t);
  const waiting = mounted.shell('cat patient 2>&1 || true');
  await mounted.hears('waiting');
  mounted.child.kill('SIGKILL');
  t.regex(await waiting, /not connected|connection abort/);
  const { type, source } = mountAt(mounted.path) ?? {};
  t.deepEqual({ type, source }, { type: 'fuse.cas-mount', source: '/store' });
});
