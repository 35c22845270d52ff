import { chmodSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import test, { type ExecutionContext } from 'ava';
import { CAS_MOUNT, run, Site } from './site.js';

/** A site with a program `cas-mount`, and the options that the kernel shows for our mount. */
function setUp(t: ExecutionContext): { site: Site; program: string; shown: () => string } {
  const site = new Site(t);
  const program = site.path('cas-mount');
  writeFileSync(program, `#!/bin/sh\nexec ${process.execPath} ${CAS_MOUNT} "$@"\n`);
  chmodSync(program, 0o755);
  const shown = (): string => {
    const lines = readFileSync('/proc/self/mounts', 'utf8').split('\n');
    return lines.find((line) => line.includes(` ${site.mountpoint} `)) ?? '';
  };
  return { site, program, shown };
}

test.serial(
  'mount -t fuse.PROGRAM mounts the store that -o names, with the options of the kernel',
  async (t) => {
    const { site, program, shown } = setUp(t);
    const options = `ro,noatime,store=${site.store},allow_other,_netdev,nofail,x-systemd.automount`;
    const { code, stderr } = await run('mount', [
      '-t',
      `fuse.${program}`,
      'SRC',
      site.mountpoint,
      '-o',
      options,
    ]);
    t.is(code, 0, stderr);
    t.regex(
      shown(),
      new RegExp(`^${site.store} ${site.mountpoint} fuse.cas-mount ro,noatime,\\S*allow_other`),
    );
    t.is((await run('umount', [site.mountpoint])).code, 0);
  },
);

test.serial('mount.fuse3 PROGRAM#STORE mounts that store, without HOME and PATH', async (t) => {
  const { site, program, shown } = setUp(t);
  const args = ['-i', '/sbin/mount.fuse3', `${program}#${site.store}`, site.mountpoint, '-o', 'nosuid,nodev'];
  const { code, stderr } = await run('env', args);
  t.is(code, 0, stderr);
  t.regex(shown(), /fuse\.cas-mount rw,nosuid,nodev/);
});

test.serial('mount.cas takes what mount(8) gives it, and mounts nothing for mount -f', async (t) => {
  const { site, shown } = setUp(t);
  const helper = site.path('mount.cas');
  symlinkSync(CAS_MOUNT, helper);
  const call = [helper, 'SRC', site.mountpoint, '-v', '-o', `rw,store=${site.store},nofail`];
  t.is((await run(process.execPath, [...call, '-f'])).code, 0);
  t.is(shown(), '');
  const { code, stderr } = await run(process.execPath, [...call, '-s', '-n']);
  t.is(code, 0, stderr);
  t.regex(shown(), /fuse\.cas-mount/);
});

test.serial('mount(8) passes our refusal on', async (t) => {
  const { site, program } = setUp(t);
  const { code, stderr } = await run('mount', [
    '-t',
    `fuse.${program}`,
    site.store,
    site.mountpoint,
    '-o',
    'frobnicate',
  ]);
  t.is(code, 1);
  t.regex(stderr, /cas-mount: -o frobnicate: unknown mount option/);
});
