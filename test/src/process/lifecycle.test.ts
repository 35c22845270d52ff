import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import test from 'ava';
import { TRANSPORTS } from '../../../src/transports.js';
import { CAS_MOUNT, isAlive, run, Site, until } from './site.js';

for (const { name } of TRANSPORTS) {
  const args = ['--transport', name];

  test.serial(
    `${name}: when cas-mount returns, the mount, its socket and its pid file are there`,
    async (t) => {
      const site = new Site(t);
      const { code, stdout, stderr } = await site.mount([...args, '--pid-file', site.path('pid')]);
      t.deepEqual([code, stdout, stderr], [0, '', '']);
      t.deepEqual((await run('ls', [site.mountpoint])).stdout.trim().split('\n'), [
        'blobs',
        'images',
        'index.json',
        'ingest',
        'layers',
        'oci-layout',
        'stacks',
      ]);
      t.is(readFileSync(site.path('pid'), 'utf8'), `${site.daemon}\n`);
      t.is(statSync(site.path('store', 'cas.sock')).mode & 0o777, 0o600);
      const status = JSON.parse(
        (await site.cas(['--root', site.store, '--json', 'status'])).stdout,
      ) as object;
      t.like(status, {
        pid: site.daemon,
        mountpoint: site.mountpoint,
        transport: name,
        store: { path: site.store },
      });
    },
  );

  test.serial(`${name}: the daemon ends when it is unmounted from outside`, async (t) => {
    const site = new Site(t);
    await site.mount([...args, '--pid-file', site.path('pid')]);
    const pid = site.daemon;
    t.is((await run('fusermount3', ['-u', site.mountpoint])).code, 0);
    await until('the daemon has ended', () => !isAlive(pid));
    t.false(existsSync(site.path('pid')));
    t.false(existsSync(site.path('store', 'cas.sock')));
    t.is(site.log.at(-1)?.['msg'], 'unmounted');
  });

  test.serial(`${name}: SIGTERM unmounts, and what was being written is kept`, async (t) => {
    const site = new Site(t);
    await site.mount(args);
    await run('sh', ['-c', `printf 12345 > ${site.mountpoint}/ingest/x`]);
    const pid = site.daemon;
    process.kill(pid, 'SIGTERM');
    await until('the daemon has ended', () => !isAlive(pid));
    t.false(site.mounted);
    await site.mount(args);
    t.is((await run('cat', [`${site.mountpoint}/ingest/x`])).stdout, '12345');
  });

  test.serial(
    `${name}: a busy mount stays and the log tells who holds it; a second signal ends it all the same`,
    async (t) => {
      const site = new Site(t);
      await site.mount(args);
      const pid = site.daemon;
      const holder = site.start('sleep', ['60'], { cwd: `${site.mountpoint}/ingest` });
      await once(holder, 'spawn');
      process.kill(pid, 'SIGTERM');
      const busy = 'the mount is busy and stays; a second signal detaches it';
      await until('the holder is told', () => site.logged(busy) !== undefined);
      t.deepEqual(site.logged(busy)?.['holders'], [
        { pid: holder.pid, command: 'sleep', paths: [`${site.mountpoint}/ingest`] },
      ]);
      t.is((await run('ls', [site.mountpoint])).code, 0);
      process.kill(pid, 'SIGTERM');
      await until('the daemon has ended', () => !isAlive(pid));
      t.false(site.mounted);
    },
  );

  test.serial(
    `${name}: after kill -9 a new cas-mount on the same mountpoint is up with no step in between`,
    async (t) => {
      const site = new Site(t);
      await site.mount(args);
      const reader = site.start('sh', ['-c', `exec 3< ${site.mountpoint}/.cas/version; sleep 60`]);
      await once(reader, 'spawn');
      const killed = site.daemon;
      process.kill(killed, 'SIGKILL');
      await until('the daemon is gone', () => !isAlive(killed));
      t.regex((await run('ls', [site.mountpoint])).stderr, /not connected|connection abort/);
      const { code, stderr } = await site.mount(args);
      t.is(code, 0, stderr);
      t.is((await run('ls', [site.mountpoint])).code, 0);
    },
  );

  test.serial(
    `${name}: a mount that was just unmounted or killed can be mounted again at once`,
    async (t) => {
      const site = new Site(t);
      await site.mount(args);
      await run('fusermount3', ['-u', site.mountpoint]);
      const again = await site.mount(args);
      t.is(again.code, 0, again.stderr);
      process.kill(site.daemon, 'SIGKILL');
      const afterKill = await site.mount(args);
      t.is(afterKill.code, 0, afterKill.stderr);
    },
  );

  test.serial(
    `${name}: an error that nobody catches ends the daemon, and clients get an error at once`,
    async (t) => {
      const site = new Site(t);
      await site.mount(args, { CAS_MOUNT_TEST_FAULTS: '1' });
      const pid = site.daemon;
      await site.throwInDaemon();
      await until('the daemon is gone', () => !isAlive(pid));
      const { code } = await run('ls', [`${site.mountpoint}/ingest`]);
      t.not(code, null, 'ls hung');
      t.true(code !== 0 || !site.mounted);
      t.like(site.logged('defect: ending'), { level: 'fatal', error: 'fault on request' });
      t.is((await site.mount(args)).code, 0);
    },
  );
}

for (const { name } of TRANSPORTS) {
  test.serial(`${name}: a refusal is one line in the log, whatever the name is`, async (t) => {
    const site = new Site(t);
    await site.mount(['--transport', name, '--log-level', 'debug']);
    const script =
      'printf x > "ingest/$1"; mv "ingest/$1" "blobs/sha256/$(printf %064d 0)"; touch "ingest/$2"';
    await run('sh', ['-c', script, 'sh', 'a\u202ec', 'a\n\u001b[2J'], { cwd: site.mountpoint });
    const refused = (): Record<string, unknown>[] =>
      site.log.filter(({ msg, code }) => msg === 'request refused' && code !== undefined);
    // A line is written once its call is answered.
    await until('both refusals are logged', () => refused().length >= 2);
    t.deepEqual(
      refused().map(({ level, code, errno }) => [level, code, errno]),
      [
        ['warn', 'DIGEST_MISMATCH', 'EBADMSG'],
        ['debug', 'REF_INVALID', 'EINVAL'],
      ],
    );
    t.notRegex(JSON.stringify(refused()), /[\p{Cc}\p{Cf}]/u);
  });
}

test.serial('-f stays in the foreground, in the process that was started, with threads enough', async (t) => {
  const site = new Site(t);
  const { PATH } = process.env;
  const daemon = site.start(process.execPath, [CAS_MOUNT, '-f', '--root', site.store, site.mountpoint], {
    env: { PATH },
  });
  let log = '';
  daemon.stderr?.setEncoding('utf8').on('data', (text: string) => (log += text));
  await until('it is mounted', () => log.includes('"mounted"'));
  t.is(daemon.pid, site.daemon);
  t.true(readdirSync(`/proc/${site.daemon}/task`).length > 16);
  daemon.kill('SIGINT');
  t.deepEqual(await once(daemon, 'exit'), [0, null]);
  t.false(site.mounted);
});

test.serial('the program file chooses the size of the thread pool by itself', async (t) => {
  const site = new Site(t);
  const [shebang = ''] = readFileSync(CAS_MOUNT, 'utf8').split('\n');
  t.is(shebang, '#!/usr/bin/env -S UV_THREADPOOL_SIZE=16 node');
  await site.mount();
  t.true(readdirSync(`/proc/${site.daemon}/task`).length > 16);
});

test.serial('a daemon in the background keeps nothing of the shell that started it', async (t) => {
  const site = new Site(t);
  const command = `exec 9> ${site.path('lock')}; node ${CAS_MOUNT} --root ${site.store} ${site.mountpoint}`;
  // Its output is a pipe to us: if the daemon held it, this would not return.
  execFileSync('sh', ['-c', command], {
    cwd: site.directory,
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: 60_000,
  });
  t.is((await run('readlink', [`/proc/${site.daemon}/cwd`])).stdout, '/\n');
  const { stdout } = await run('ls', ['-l', `/proc/${site.daemon}/fd`]);
  t.false(stdout.includes(site.path('lock')));
});

test.serial(
  'SIGHUP and a change of the configuration file set the log level, SIGUSR1 logs statistics',
  async (t) => {
    const site = new Site(t);
    const config = site.path('config.json');
    const writeLevel = (level: string): void => writeFileSync(config, JSON.stringify({ 'log-level': level }));
    writeLevel('info');
    await site.mount(['--config', config]);
    writeLevel('debug');
    await until('the change is seen', () => site.logged('log level changed')?.['level'] === 'debug');
    process.kill(site.daemon, 'SIGUSR1');
    await until('statistics are logged', () => site.logged('statistics') !== undefined);
    t.truthy(site.logged('statistics')?.['operations']);
    writeFileSync(config, '{');
    process.kill(site.daemon, 'SIGHUP');
    const bad = 'the configuration cannot be used; the log level stays';
    await until('the mistake is logged', () => site.logged(bad) !== undefined);
    t.is((await run('ls', [site.mountpoint])).code, 0);
  },
);

test.serial('SIGHUP opens a log file again that was moved away', async (t) => {
  const site = new Site(t);
  const log = site.path('log');
  await site.mount(['--log-file', log]);
  await run('mv', [log, `${log}.1`]);
  process.kill(site.daemon, 'SIGHUP');
  await until('there is a new file', () => existsSync(log));
  process.kill(site.daemon, 'SIGUSR1');
  await until('the new file is used', () => readFileSync(log, 'utf8').includes('"statistics"'));
  t.regex(readFileSync(`${log}.1`, 'utf8'), /"mounted"/);
});

test.serial('a daemon that is told to end while it starts leaves no mount', async (t) => {
  const site = new Site(t);
  const launcher = spawn(process.execPath, [CAS_MOUNT, '--root', site.store, site.mountpoint], {
    stdio: 'ignore',
  });
  const ended = once(launcher, 'exit');
  await until(
    'the daemon is there',
    () => existsSync(site.path('store', 'lock')) && statSync(site.path('store', 'lock')).size > 0,
  );
  const pid = site.daemon;
  launcher.kill('SIGTERM');
  await ended;
  await until('the daemon has ended', () => !isAlive(pid));
  t.false(site.mounted);
});
