import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import test, { type ExecutionContext } from 'ava';
import { run, Site, until, isAlive } from './site.js';

interface Refusal {
  readonly code: number;
  readonly message: RegExp;
}

async function refused(
  t: ExecutionContext,
  site: Site,
  args: readonly string[],
  { code, message }: Refusal,
  env?: NodeJS.ProcessEnv,
): Promise<void> {
  const result = await site.castMount(args, env);
  t.is(result.code, code, result.stderr);
  t.regex(result.stderr, message);
  t.regex(result.stderr, /^cas-mount: [^\n]*\n$/);
  t.is(result.stdout, '');
}

for (const [what, arrange, message] of [
  [
    'is missing',
    (site: Site) => site.path('none'),
    /none: the mountpoint does not exist; make it with mkdir/,
  ],
  ['is no directory', (site: Site) => file(site.path('file')), /file: the mountpoint is not a directory/],
  [
    'is not empty',
    (site: Site) => parentOf(file(site.path('mnt', 'file'))),
    /mnt: the mountpoint is not empty/,
  ],
  ['is the store', (site: Site) => directory(site.store), /the mountpoint is inside the store/],
  [
    'is inside the store',
    (site: Site) => directory(site.path('store', 'a', 'b')),
    /the mountpoint is inside the store/,
  ],
  ['holds the store', (site: Site) => site.directory, /the store \S+ is inside the mountpoint/],
  [
    'leads into the store by a link',
    (site: Site) => link(directory(site.path('store', 'a')), site.path('link')),
    /inside the store/,
  ],
] as const) {
  test.serial(`a mountpoint that ${what} is refused`, async (t) => {
    const site = new Site(t);
    const mountpoint = arrange(site);
    await refused(t, site, ['--root', site.store, mountpoint], { code: 32, message });
    t.is((await run('grep', ['-c', site.directory, '/proc/self/mountinfo'])).stdout, '0\n');
  });
}

test.serial('a mountpoint that is not empty is used on request', async (t) => {
  const site = new Site(t);
  file(site.path('mnt', 'file'));
  t.is((await site.mount(['-o', 'nonempty'])).code, 0);
});

for (const [what, args] of [
  ['log file', (site: Site) => ['--log-file', site.path('mnt', 'log')]],
  ['pid file', (site: Site) => ['--pid-file', site.path('mnt', 'pid')]],
] as const) {
  test.serial(`a ${what} inside the mountpoint is refused: the daemon would wait for itself`, async (t) => {
    const site = new Site(t);
    const message = new RegExp(`the ${what} \\S+ is inside the mountpoint`);
    await refused(t, site, ['--root', site.store, ...args(site), site.mountpoint], { code: 32, message });
  });
}

test.serial('what is mounted already is said, with its store', async (t) => {
  const site = new Site(t);
  await site.mount();
  const message = new RegExp(`${site.mountpoint}: the store ${site.store} is already mounted there`);
  await refused(t, site, ['--root', site.store, site.mountpoint], { code: 32, message });
});

test.serial('a store that another process serves is refused with its process', async (t) => {
  const site = new Site(t);
  await site.mount();
  const message = new RegExp(`${site.store}/lock: .*process ${site.daemon}, since \\d{4}-`);
  await refused(t, site, ['--root', site.store, directory(site.path('other'))], { code: 11, message });
});

test.serial('a directory that is no store is refused', async (t) => {
  const site = new Site(t);
  file(`${directory(site.store)}/photo.jpg`);
  await refused(t, site, ['--root', site.store, site.mountpoint], {
    code: 10,
    message: /store: the path cannot be a store/,
  });
  await refused(t, site, ['--root', file(site.path('file')), site.mountpoint], {
    code: 10,
    message: /file: the path cannot be a store/,
  });
});

test.serial('a mount whose daemon hangs does not make cas-mount hang', async (t) => {
  const site = new Site(t);
  await site.mount();
  const pid = site.daemon;
  process.kill(pid, 'SIGSTOP');
  try {
    await refused(t, site, ['--root', site.path('second'), site.mountpoint], {
      code: 32,
      message: /does not answer: .*fuse.cas-mount hangs/,
    });
  } finally {
    process.kill(pid, 'SIGCONT');
  }
});

test.serial('a dead mount of somebody else is left alone', async (t) => {
  const site = new Site(t);
  const other = site.start('bindfs', ['-f', directory(site.path('below')), site.mountpoint]);
  await until('bindfs has mounted', () => site.mounted);
  other.kill('SIGKILL');
  await until('bindfs is gone', () => !isAlive(other.pid ?? 0));
  await refused(t, site, ['--root', site.store, site.mountpoint], {
    code: 32,
    message: /a dead mount of fuse\S* is there/,
  });
  t.true(site.mounted);
});

test.serial('usage errors are told before anything is done', async (t) => {
  const site = new Site(t);
  await refused(t, site, ['--root', site.store, '-o', 'ro,frobnicate', site.mountpoint], {
    code: 1,
    message: /-o frobnicate: unknown mount option/,
  });
  t.is((await run('ls', [site.store])).code, 2);
});

test.serial('without a user and a home the store must be named', async (t) => {
  const site = new Site(t);
  const args = ['--clear-groups', '--reuid', '54321', '--regid', '54321'];
  const { CAS_MOUNT } = await import('./site.js');
  const { code, stderr } = await run('setpriv', [...args, process.execPath, CAS_MOUNT, site.mountpoint], {
    env: { PATH: process.env['PATH'] },
  });
  t.is(code, 1);
  t.regex(stderr, /no store: this user has no home directory; name the store with --root DIR/);
});

test.serial('cas without a daemon says which store nobody serves', async (t) => {
  const site = new Site(t);
  const none = await site.cas(['--root', site.store, 'status']);
  t.is(none.code, 10);
  directory(site.store);
  const idle = await site.cas(['--root', site.store, 'status']);
  t.is(idle.code, 1);
  t.regex(idle.stderr, /^cas: \S+store: no cas-mount serves this store; start one with cas-mount [^\n]*\n$/);
  t.is((await site.cas(['--root', site.store, 'frobnicate'])).code, 2);
});

function file(name: string): string {
  writeFileSync(name, 'x');
  return name;
}

function directory(name: string): string {
  mkdirSync(name, { recursive: true });
  return name;
}

function link(target: string, name: string): string {
  symlinkSync(target, name);
  return name;
}

function parentOf(name: string): string {
  return name.slice(0, name.lastIndexOf('/'));
}
