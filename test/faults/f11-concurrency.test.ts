import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import { text } from 'node:stream/consumers';
import test from 'ava';
import { Mount } from '../e2e/mount.js';
import { checkOf, eachAlone, type Rules } from '../e2e/suite.js';
import { seededBytes } from '../helpers/bytes.js';
import { run } from '../src/process/site.js';
import { idleDescriptors, keptDescriptors, peakMemory } from './daemon-process.js';
import { FULL, LIMIT, VARIANTS } from './form.js';
import { wrongBlobs } from './invariants.js';
import { program } from './program.js';

/** How many are ingested, how many at a time, and how many do the same thing at once. */
const COUNT = FULL ? 10_000 : 300;
const AT_A_TIME = 64;
const AT_ONCE = 100;
/** The most memory the daemon may ever use, in MiB. */
const MEMORY = 500;
/** How long, in milliseconds, a load may take. */
const PATIENCE = 170_000;
const SIZES = [1000, 4096, 16_000, 60_000];

/** Files of their own bytes, and the list of them with their digests for ingest-many. */
async function sourcesFor(mount: Mount): Promise<{ list: string; digests: string[] }> {
  const directory = `${mount.scratch}/many`;
  fs.mkdirSync(directory);
  for (const [index, size] of SIZES.entries()) {
    const all = seededBytes((size * COUNT) / SIZES.length, index + 1);
    for (let at = 0; at < all.length; at += size)
      fs.writeFileSync(`${directory}/${size}-${at / size}`, all.subarray(at, at + size));
  }
  const { stdout } = await run('bash', [
    '-c',
    'cd "$1" && printf "%s\\0" * | sort -zR --random-source=/dev/zero | xargs -0 sha256sum',
    'sums',
    directory,
  ]);
  const lines = stdout
    .trimEnd()
    .split('\n')
    .map((line) => line.split('  ') as [string, string]);
  return {
    list: lines.map(([hex, name]) => `${directory}/${name} ${hex}\n`).join(''),
    digests: lines.map(([hex]) => hex),
  };
}

for (const variant of VARIANTS) {
  test.serial(
    `${variant.name}: ${AT_A_TIME} processes ingest ${COUNT} files, remove some, and nothing is left over`,
    async (t) => {
      t.timeout(PATIENCE + LIMIT);
      const mount = await Mount.of(variant);
      t.teardown(() => mount.close());
      const { source, sh } = checkOf(t, mount);
      await sh('cp "$src" "$blob"; cmp "$src" "$blob"; rm "$blob"', { ...(await source()) });
      const { daemon } = mount.site;
      const { list, digests } = await sourcesFor(mount);
      const baseline = await idleDescriptors(daemon, mount.site.store);

      const load = await program('ingest-many');
      const began = performance.now();
      const child = spawn(load, [`${AT_A_TIME}`, mount.mountpoint], {
        stdio: ['pipe', 'pipe', 'inherit'],
        timeout: PATIENCE,
      });
      const ended = once(child, 'close');
      child.stdin.end(list);
      t.is(await text(child.stdout), `${COUNT} committed, ${COUNT / 10} removed\n`);
      await ended;
      const took = (performance.now() - began) / 1000;

      t.is(await wrongBlobs(mount.site.store), '');
      t.deepEqual(fs.readdirSync(`${mount.site.store}/blobs/sha256`).toSorted(), digests.toSorted());
      t.is(await sh('ls -A ingest'), '');
      const peak = peakMemory(daemon);
      t.true(peak < MEMORY, `${peak} MiB`);
      t.deepEqual(await keptDescriptors(daemon, mount.site.store, baseline), []);
      const { defects, counts } = await mount.status();
      t.like({ defects, ...counts }, { defects: 0, files: 0, pending: 0 });
      t.log(
        `${Math.round(COUNT / took)} ingests/s, at most ${Math.round(peak)} MiB, ${baseline} descriptors`,
      );
    },
  );
}

/** How the calls of each group ended, as at-once tells: the groups in order, `OUTCOME COUNT` sorted. */
async function atOnce(
  mount: Mount,
  ...args: readonly (string | number)[]
): Promise<Record<string, number>[]> {
  const { stdout, code } = await run(await program('at-once', '-pthread'), args.map(String), {
    cwd: mount.mountpoint,
  });
  if (code !== 0) throw new Error(`at-once: exit code ${code}`);
  const groups: Record<string, number>[] = [];
  for (const line of stdout.trimEnd().split('\n')) {
    const [group, outcome = '', count] = line.split(' ');
    (groups[Number(group)] ??= {})[outcome] = Number(count);
  }
  return groups;
}

const rules: Rules = {
  'of a hundred that open or create one ref, one wins': async ({ t, mount, sh }) => {
    t.deepEqual(await atOnce(mount, AT_ONCE, 'open', 'ingest/one'), [{ OK: 1, EBUSY: AT_ONCE - 1 }]);
    t.deepEqual(await atOnce(mount, AT_ONCE, 'open', 'ingest/one'), [{ OK: 1, EBUSY: AT_ONCE - 1 }]);
    t.deepEqual(await atOnce(mount, AT_ONCE, 'create', 'ingest/other'), [{ OK: 1, EEXIST: AT_ONCE - 1 }]);
    t.is(await sh('ls -A ingest'), 'one\nother\n');
  },

  'a hundred commits of one digest all succeed, and there is one blob': async ({ t, mount, source, sh }) => {
    const made = await source(200_000);
    await sh('for n in $(seq 0 99); do cp "$src" ingest/same-$n; done', { ...made });
    t.deepEqual(await atOnce(mount, AT_ONCE, 'rename', 'ingest/same-%', made.blob), [{ OK: AT_ONCE }]);
    t.is(await sh('ls -A ingest; ls -A blobs/sha256'), `${made.hex}\n`);
    await sh('cmp "$src" "$blob"', { ...made });
    t.is(await wrongBlobs(mount.site.store), '');
  },

  'a hundred that make one digest directly leave it right, or are told': async ({ t, mount, sh }) => {
    const hex = (await sh('head -c 200000 /dev/zero | sha256sum')).slice(0, 64);
    const [outcomes = {}] = await atOnce(mount, AT_ONCE, 'write', `blobs/sha256/${hex}`, 200_000);
    const { OK = 0, EBUSY = 0, EROFS = 0, ...others } = outcomes;
    t.deepEqual([OK + EBUSY + EROFS, others], [AT_ONCE, {}]);
    t.true(OK > 0);
    t.is(await sh('ls -A blobs/sha256'), `${hex}\n`);
    t.is(await wrongBlobs(mount.site.store), '');
  },

  'of a hundred renames of one ref one succeeds, and all hundred renames to one ref do': async ({
    t,
    mount,
    sh,
  }) => {
    await sh('echo moved > ingest/from; for n in $(seq 0 99); do echo $n > ingest/each-$n; done');
    t.deepEqual(await atOnce(mount, AT_ONCE, 'rename', 'ingest/from', 'ingest/to-%'), [
      { OK: 1, ENOENT: AT_ONCE - 1 },
    ]);
    t.is(await sh('ls ingest | grep -c ^to-; cat ingest/to-*; rm ingest/to-*'), '1\nmoved\n');
    t.deepEqual(await atOnce(mount, AT_ONCE, 'rename', 'ingest/each-%', 'ingest/to'), [{ OK: AT_ONCE }]);
    t.regex(await sh('ls -A ingest; cat ingest/to'), /^to\n\d+\n$/);
    await sh('rm ingest/to');
  },

  'commits, renames, removals and truncations of one ref: each succeeds or is told why': async ({
    t,
    mount,
    source,
    sh,
  }) => {
    for (let round = 0; round < (FULL ? 20 : 3); round++) {
      const made = await source(100_000);
      await sh('cp "$src" ingest/x', { ...made });
      const [commits = {}, renames = {}, removals = {}, truncations = {}] = await atOnce(
        mount,
        ...[25, 'rename', 'ingest/x', made.blob, '--'],
        ...[25, 'rename', 'ingest/x', 'ingest/y-%', '--'],
        ...[25, 'unlink', 'ingest/x', '--'],
        ...[25, 'truncate', 'ingest/x', '100000'],
      );
      const allowed = ({
        OK = 0,
        ENOENT = 0,
        EBUSY = 0,
        EBADF = 0,
        ...others
      }: Record<string, number>): void => {
        t.deepEqual([OK + ENOENT + EBUSY + EBADF, others], [25, {}]);
      };
      [commits, renames, removals, truncations].forEach(allowed);
      const winners = [commits, renames, removals].map(({ OK = 0 }) => OK);
      t.is(
        winners.reduce((sum, count) => sum + count),
        1,
        winners.join(),
      );
      const [committed, renamed] = winners;
      t.is(
        await sh(
          'ls ingest | grep -c ^y- || true; ls blobs/sha256 | grep -c "$hex" || true; rm -f ingest/y-* "$blob"',
          { ...made },
        ),
        `${renamed}\n${committed}\n`,
      );
    }
    t.is(await sh('ls -A ingest'), '');
  },

  'ingests that are removed while they are written end their writers with EBADF': async ({
    t,
    mount,
    sh,
  }) => {
    const { daemon, store } = mount.site;
    await sh('echo first > ingest/w-0; rm ingest/w-0');
    const baseline = await idleDescriptors(daemon, store);
    for (let round = 0; round < (FULL ? 10 : 2); round++) {
      const [writers = {}, removers = {}] = await atOnce(
        mount,
        ...[AT_ONCE, 'write', 'ingest/w-%', '400000', '--'],
        ...[AT_ONCE, 'unlink', 'ingest/w-%'],
      );
      const { OK = 0, EBADF = 0, ...others } = writers;
      t.deepEqual([OK + EBADF, others], [AT_ONCE, {}]);
      const { OK: removed = 0, ENOENT = 0, ...strange } = removers;
      t.deepEqual([removed + ENOENT, strange], [AT_ONCE, {}]);
      t.is(Number(await sh('ls ingest | grep -c ^w- || true')), ENOENT);
      t.is(
        await sh('for x in ingest/*; do [[ ! -e $x ]] || stat -c %s "$x"; done | sort -u'),
        ENOENT > 0 ? '400000\n' : '',
      );
      await sh('rm -f ingest/w-*');
    }
    t.deepEqual(await keptDescriptors(daemon, store, baseline), []);
  },

  'shells with cp, mv, ln and rm do the same, sixteen at a time': async ({ t, mount, source, sh }) => {
    const made = await Promise.all(Array.from({ length: FULL ? 400 : 40 }, () => source(30_000)));
    fs.writeFileSync(`${mount.scratch}/list`, made.map(({ src, hex }) => `${src} ${hex}\n`).join(''));
    const each = `
      set -e
      cp "$1" "ingest/$2"
      case $((0x\${2:0:1} % 4)) in
        0) mv "ingest/$2" "blobs/sha256/$2" ;;
        1) ln "ingest/$2" "blobs/sha256/$2"; rm -f "ingest/$2" ;;
        2) rm "ingest/$2"; cp "$1" "blobs/sha256/$2" ;;
        3) mv "ingest/$2" "ingest/$2-moved"; mv "ingest/$2-moved" "blobs/sha256/$2" ;;
      esac
      cmp "$1" "blobs/sha256/$2"`;
    await sh('xargs -a "$scratch/list" -P 16 -n 2 bash -c "$each" each', { each });
    t.is(await sh('ls -A ingest'), '');
    const found = new Set((await sh('ls -A blobs/sha256')).split('\n'));
    t.deepEqual(
      made.filter(({ hex }) => !found.has(hex)),
      [],
    );
    t.is(await wrongBlobs(mount.site.store), '');
    t.is((await mount.status()).defects, 0);
  },
};

eachAlone(VARIANTS, rules);
