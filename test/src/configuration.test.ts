import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { type Configuration, configure } from '../../src/configuration.js';
import { defaultStore } from '../../src/default-store.js';
import { Failure } from '../../src/failure.js';

const directory = mkdtempSync(path.join(os.tmpdir(), 'cas-mount-configuration-'));
test.after.always(() => rmSync(directory, { recursive: true }));

interface Surroundings {
  readonly env?: NodeJS.ProcessEnv;
  readonly program?: string;
}

function read(
  args: readonly string[],
  { env = {}, program = '/x/cas-mount.js' }: Surroundings = {},
): Configuration {
  const argv = ['node', program, ...args];
  const configuration = configure({ argv, env, cwd: '/here', version: '1.2.3' });
  if (typeof configuration === 'string') throw new TypeError('a text was shown');
  return configuration;
}

function refuses(
  t: ExecutionContext,
  args: readonly string[],
  message: RegExp,
  surroundings?: Surroundings,
): void {
  const failure = t.throws(() => read(args, surroundings), { instanceOf: Failure, message });
  t.is(failure.exit, 1);
  t.notRegex(failure.message, /\n/);
}

function configFile(name: string, content: string): string {
  const file = path.join(directory, name);
  writeFileSync(file, content);
  return file;
}

/* What the user types, what mount(8) makes of it, and what it means. */
for (const [typed, args, expected] of [
  [
    'mount -t fuse.cas-mount',
    ['SRC', '/mnt', '-o', 'ro,store=/x,allow_other,dev,suid'],
    { root: '/x', kernelOptions: ['ro', 'allow_other', 'dev', 'suid'] },
  ],
  [
    'an fstab line of type fuse.cas-mount',
    ['/srv/store', '/mnt', '-o', 'ro,noexec,nosuid,nodev'],
    { root: '/srv/store', kernelOptions: ['ro', 'noexec', 'nosuid', 'nodev'] },
  ],
  [
    'mount -t cas through mount.cas',
    ['SRC', '/mnt', '-v', '-o', 'ro,store=/x,_netdev,nofail', '-s', '-n', '-N', '/ns', '-t', 'fuse.cas'],
    { root: '/x', kernelOptions: ['ro'] },
  ],
  ['a source that is a word', ['none', '/mnt', '-o', 'root=/y'], { root: '/y', kernelOptions: [] }],
  ['a source that only names the type', ['cas-mount#', '/mnt', '-o', 'root=/y'], { root: '/y' }],
  ['a source with its type before it', ['cas-mount#/srv/store', '/mnt'], { root: '/srv/store' }],
  [
    'everything that fstab has for mount itself',
    [
      '/s',
      '/mnt',
      '-o',
      'defaults,noauto,user,users,x-systemd.automount,X-mount.mkdir,comment=x,user=joe,nofail,_netdev',
    ],
    { kernelOptions: [] },
  ],
  ['a comma in a path', ['/mnt', '-o', 'store=/a\\,b\\\\c'], { root: '/a,b\\c' }],
  [
    'sync with and without a value',
    ['/mnt', '-o', 'sync,sync=batch'],
    { sync: 'batch', kernelOptions: ['sync'] },
  ],
  ['options in several -o', ['/s', '/mnt', '-o', 'ro', '-onoatime'], { kernelOptions: ['ro', 'noatime'] }],
  [
    'options that contradict each other',
    ['/s', '/mnt', '-o', 'ro,suid,nosuid,rw,atime'],
    { kernelOptions: ['nosuid', 'rw', 'atime'] },
  ],
  ['owners', ['/s', '/mnt', '-o', 'uid=1000,gid=0,umask=077'], { uid: 1000, gid: 0, umask: 0o077 }],
  ['an option of ours without a value', ['/s', '/mnt', '-o', 'nonempty'], { nonempty: true }],
  ['two positionals', ['store', 'mnt'], { root: '/here/store', mountpoint: '/here/mnt' }],
] as const) {
  test(`${typed} is understood`, (t) => {
    t.like(read(args), expected);
  });
}

test('-f is the foreground, but mount(8) means by it that nothing shall be mounted', (t) => {
  t.like(read(['/s', '/mnt', '-f']), { foreground: true, fake: false });
  t.like(read(['/s', '/mnt', '-f'], { program: '/sbin/mount.cas' }), { foreground: false, fake: true });
});

for (const [what, args, message] of [
  ['no mountpoint', [], /no mountpoint/],
  ['three positionals', ['a', 'b', 'c'], /too many arguments: a b c/],
  ['an unknown flag', ['--frobnicate', '/mnt'], /unknown option '--frobnicate'/],
  ['an unknown mount option', ['/mnt', '-o', 'ro,frobnicate=1'], /-o frobnicate: unknown mount option/],
  ['remount', ['/mnt', '-o', 'remount,ro'], /cannot be changed; unmount it/],
  ['a mount option that lacks its value', ['/mnt', '-o', 'transport'], /-o transport: a value is missing/],
  [
    'a transport that does not exist',
    ['/mnt', '--transport', 'nfs'],
    /--transport: "nfs" is not one of auto, kernel/,
  ],
  ['a umask that is not octal', ['/mnt', '-o', 'umask=789'], /-o umask: "789" is not an octal mode/],
  ['uid -1', ['/mnt', '--uid', '4294967295'], /--uid: "4294967295" is not a number/],
  ['two stores', ['/a', '/mnt', '--root', '/b'], /two stores are named, \/b and \/a/],
  ['an opened FUSE device as mountpoint', ['SRC', '/dev/fd/3', '-o', 'ro'], /drop_privileges/],
] as const) {
  test(`${what}: refused in one line that names it`, (t) => {
    refuses(t, args, message);
  });
}

test('a flag wins over -o, -o over the environment, the environment over the file, the file over the default', (t) => {
  const config = configFile('levels.json', '{"log-level": "trace", "transport": "kernel"}');
  const env = { CAS_MOUNT_CONFIG: config, CAS_MOUNT_LOG_LEVEL: 'debug' };
  t.is(read(['/mnt', '--log-level', 'fatal', '-o', 'log-level=error'], { env }).logLevel, 'fatal');
  t.is(read(['/mnt', '-o', 'log-level=error'], { env }).logLevel, 'error');
  t.is(read(['/mnt'], { env }).logLevel, 'debug');
  t.is(read(['/mnt'], { env: { CAS_MOUNT_CONFIG: config } }).logLevel, 'trace');
  t.is(read(['/mnt']).logLevel, 'info');
  t.is(read(['/mnt'], { env }).transport, 'kernel');
});

test('the store typed before the mountpoint wins over the environment and yields to -o', (t) => {
  const env = { CAS_MOUNT_ROOT: '/env' };
  t.is(read(['/typed', '/mnt'], { env }).root, '/typed');
  t.is(read(['/typed', '/mnt', '-o', 'store=/option'], { env }).root, '/option');
  t.is(read(['/mnt'], { env }).root, '/env');
});

test('mount options add up over all sources, and the nearer one decides a contradiction', (t) => {
  const config = configFile('options.json', '{"options": ["ro,noatime", "umask=077"]}');
  const env = { CAS_MOUNT_OPTIONS: 'allow_other' };
  const { kernelOptions, umask } = read(['/mnt', '--config', config, '-o', 'rw'], { env });
  t.deepEqual(kernelOptions, ['noatime', 'allow_other', 'rw']);
  t.is(umask, 0o077);
});

test('paths in a configuration file start at the file', (t) => {
  const config = configFile('paths.json', '{"root": "store", "log-file": "/var/log/cas"}');
  t.like(read(['/mnt', '--config', config]), {
    root: path.join(directory, 'store'),
    logFile: '/var/log/cas',
  });
});

for (const [what, content, message] of [
  [
    'a key that nobody knows',
    '{"log_level": "info"}',
    /unknown key "log_level": known are root, .*log-level/,
  ],
  ['the key config', '{"config": "x"}', /unknown key "config"/],
  ['a value of the wrong type', '{"root": ["x"]}', /"root" must be a string/],
  ['a value that is not allowed', '{"sync": "never"}', /sync: "never" is not one of commit, batch/],
  ['a list', '[]', /not a JSON object/],
  ['no JSON', '{root: 1}', /not JSON/],
  ['mount options that are no text', '{"options": [1]}', /"options" must be/],
] as const) {
  test(`a configuration file with ${what} is refused with its path`, (t) => {
    const file = configFile(`${what}.json`, content);
    refuses(t, ['/mnt', '--config', file], message);
    refuses(t, ['/mnt', '--config', file], new RegExp(file));
  });
}

test('a configuration file that is not there is refused', (t) => {
  refuses(
    t,
    ['/mnt', '--config', '/nowhere/cas.json'],
    /\/nowhere\/cas.json: the configuration cannot be read/,
  );
});

test('--help names every option and -V the version', (t) => {
  const show = (flag: string): unknown =>
    configure({ argv: ['node', 'cas-mount', flag], env: {}, cwd: '/', version: '1.2.3' });
  t.is(show('-V'), '1.2.3');
  for (const flag of [
    '--root',
    '--transport',
    '--log-level',
    '--pid-file',
    '-o ',
    'CAS_MOUNT_',
    '32 mount failed',
  ]) {
    t.true(String(show('--help')).includes(flag), flag);
  }
});

test('the default store is found without HOME, and without a home an advice is given', (t) => {
  t.is(defaultStore({ HOME: '/home/x' }, 0), '/var/lib/cas-mount');
  t.is(defaultStore({ HOME: '/home/x' }, 1000), '/home/x/.local/share/cas-mount');
  t.is(defaultStore({ HOME: '/home/x', XDG_DATA_HOME: '/data' }, 1000), '/data/cas-mount');
  t.is(defaultStore({ HOME: '/home/x', XDG_DATA_HOME: 'data' }, 1000), '/home/x/.local/share/cas-mount');
  t.is(defaultStore({}, 1000), path.join(os.userInfo().homedir, '.local/share/cas-mount'));
  t.throws(() => defaultStore({ HOME: '' }, 1000), { message: /name the store with --root/ });
});
