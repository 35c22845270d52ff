import { execFile } from 'node:child_process';
import fs from 'node:fs';
import { promisify } from 'node:util';
import test, { type ExecutionContext } from 'ava';
import type { Variant } from '../e2e/variants.js';
import { isAlive, type Result, run, Site, until } from '../src/process/site.js';
import { FULL, LIMIT, VARIANTS } from './form.js';

const execute = promisify(execFile);

/** How often two are started at the same instant. */
const RACES = FULL ? 20 : 4;
/** Exit codes of cas-mount: the store is locked, the mountpoint cannot be used. */
const LOCKED = 11;
const MOUNTPOINT = 32;

/** Mounts the site's store somewhere else. */
function mountElsewhere(
  site: Site,
  { transport }: Variant,
  name: string,
  store = site.store,
): Promise<Result> {
  return site.castMount(['--root', store, '--transport', transport, site.path(name)]);
}

/** A store and its mountpoints, all of which are free again when the test ends. */
function siteWith(t: ExecutionContext, ...names: readonly string[]): Site {
  const site = new Site(t);
  for (const name of new Set(names)) fs.mkdirSync(site.path(name));
  t.teardown(async () => {
    for (const path of mountsOf(site)) await execute('umount', ['-l', path]);
  });
  return site;
}

/** What is mounted below the site's directory. */
function mountsOf(site: Site): string[] {
  return fs
    .readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .map((line) => line.split(' ')[4] ?? '')
    .filter((path) => path.startsWith(`${site.directory}/`));
}

/** Asserts that one was refused because the other has the store, which goes on as if nothing had been. */
async function refused(
  t: ExecutionContext,
  site: Site,
  { code, stdout, stderr }: Result,
  holder = site.daemon,
): Promise<void> {
  t.is(code, LOCKED, stderr);
  t.is(stdout, '');
  t.regex(stderr, new RegExp(`^cas-mount: \\S+/lock: .*process ${holder}, since \\d{4}-[^\\n]*\\n$`));
  t.deepEqual(mountsOf(site), [site.mountpoint]);
  t.is((await run('cat', [`${site.mountpoint}/ingest/x`])).stdout, 'kept');
}

async function firstOne(t: ExecutionContext, { transport }: Variant): Promise<Site> {
  const site = siteWith(t, 'second');
  const { code, stderr } = await site.mount(['--transport', transport]);
  t.is(code, 0, stderr);
  await execute('sh', ['-c', `printf kept > ${site.mountpoint}/ingest/x`]);
  return site;
}

async function kill(site: Site): Promise<void> {
  const { daemon } = site;
  process.kill(daemon, 'SIGKILL');
  await until('the daemon is gone', () => !isAlive(daemon));
}

for (const variant of VARIANTS) {
  const { name, transport } = variant;

  test.serial(
    `${name}: a second daemon is refused, whatever the first has opened, closed and served`,
    async (t) => {
      t.timeout(LIMIT);
      const site = await firstOne(t, variant);
      await refused(t, site, await mountElsewhere(site, variant, 'second'));

      // A lock of fcntl(2) would be gone once its holder has closed any descriptor of the file.
      const digest = (await run('sh', ['-c', 'printf blob | sha256sum'])).stdout.slice(0, 64);
      const script = `
      printf blob > ingest/y; mv ingest/y blobs/sha256/${digest}; cat blobs/sha256/${digest} .cas/stats
      ls -lR . > /dev/null; stat -f .`;
      await execute('sh', ['-ec', script], { cwd: site.mountpoint });
      await site.cas(['--root', site.store, 'ls']);
      await refused(t, site, await mountElsewhere(site, variant, 'second'));
    },
  );

  test.serial(
    `${name}: a second daemon is refused that comes by another path, or while the first hangs`,
    async (t) => {
      t.timeout(LIMIT);
      const site = await firstOne(t, variant);
      fs.symlinkSync(site.store, site.path('link'));
      await refused(t, site, await mountElsewhere(site, variant, 'second', site.path('link')));

      const { daemon } = site;
      fs.mkdirSync(site.path('bound'));
      await execute('mount', ['--bind', site.store, site.path('bound')]);
      try {
        const { code } = await mountElsewhere(site, variant, 'second', site.path('bound'));
        t.is(code, LOCKED);
        process.kill(daemon, 'SIGSTOP');
        t.is((await mountElsewhere(site, variant, 'second')).code, LOCKED);
      } finally {
        process.kill(daemon, 'SIGCONT');
        await execute('umount', [site.path('bound')]);
      }
      // The file only says who has the lock.
      fs.renameSync(`${site.store}/lock`, `${site.store}/lock.away`);
      const { code, stderr } = await mountElsewhere(site, variant, 'second');
      t.is(code, LOCKED, stderr);
      fs.renameSync(`${site.store}/lock.away`, `${site.store}/lock`);
      await refused(t, site, await mountElsewhere(site, variant, 'second'), daemon);
    },
  );

  test.serial(
    `${name}: once the first is killed, a second one takes over, and a third is refused`,
    async (t) => {
      t.timeout(LIMIT);
      const site = await firstOne(t, variant);
      const first = site.daemon;
      await kill(site);
      const { code, stderr } = await mountElsewhere(site, variant, 'second');
      t.is(code, 0, stderr);
      t.not(site.daemon, first);
      t.is((await run('cat', [`${site.path('second')}/ingest/x`])).stdout, 'kept');
      const third = await site.mount(['--transport', transport]);
      t.is(third.code, LOCKED, third.stderr);
      t.deepEqual(mountsOf(site), [site.path('second')]);
      await execute('umount', [site.path('second')]);
    },
  );

  for (const [where, names] of [
    ['two mountpoints', ['one', 'two']],
    ['one mountpoint', ['one', 'one']],
  ] as const) {
    test.serial(
      `${name}: of two that start at the same instant on ${where}, exactly one mounts`,
      async (t) => {
        t.timeout(LIMIT);
        const site = siteWith(t, ...names);
        for (let race = 0; race < RACES; race++) {
          const results = await Promise.all(names.map((at) => mountElsewhere(site, variant, at)));
          const winner = results.findIndex(({ code }) => code === 0);
          const loser = results[1 - winner];
          const told = results.map(({ code, stderr }) => `${code}: ${stderr}`).join('; ');
          t.true(loser?.code === LOCKED || (names[0] === names[1] && loser?.code === MOUNTPOINT), told);
          t.regex(loser?.stderr ?? '', /^cas-mount: [^\n]+\n$/);
          t.deepEqual(mountsOf(site), [site.path(names[winner] ?? '')], told);
          t.true(isAlive(site.daemon));
          // A dead mount is taken away by who starts there next.
          if (race % 2 === 0) await execute('umount', [site.path(names[winner] ?? '')]);
          else await kill(site);
        }
      },
    );
  }
}
