import { once } from 'node:events';
import fs from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import { until } from '../src/process/site.js';
import type { Variant } from '../e2e/variants.js';
import { Faulty } from './faulty.js';
import { FULL, LIMIT, type Random, randomFor, VARIANTS } from './form.js';
import type { Format } from './loop-disk.js';
import { startAfterCut } from './power.js';
import { program } from './program.js';
import { faultAtEach } from './run-scenario.js';
import { SCENARIOS } from './scenarios.js';
import { acknowledgedIn } from './verify.js';
import { countLines, prepareWriters, RESUME } from './writers.js';

/*
 * F4: the power of the store's disk is cut (what its journal does not have by then is lost), as soon as something is
 * acknowledged or at random times. What was acknowledged as durable is there afterwards: commits, and the bytes of an
 * ingest that were synced.
 */

const ACKNOWLEDGED = FULL ? 100 : 4;
const RANDOM = FULL ? 30 : 2;
const MEBIBYTES = 1024;
const FORMATS: readonly Format[] = ['ext4', 'xfs'];

/** The last thing that is acknowledged before the power goes, each in its turn. Its output is `OK`. */
const LAST: readonly { readonly script: string; readonly commits: boolean }[] = [
  { script: 'cp "$src" "ingest/$ref"; "$power" "$disk" rename "ingest/$ref" "$blob"', commits: true },
  { script: 'cp "$src" "ingest/$ref"; "$power" "$disk" link "ingest/$ref" "$blob"', commits: true },
  { script: '"$power" "$disk" create "$blob" < "$src"', commits: true },
  { script: 'head -c $half "$src" > "ingest/$ref"; "$power" "$disk" fsync "ingest/$ref"', commits: false },
  {
    script: `
      head -c 10 "$src" > "ingest/$ref"
      setfattr -n user.cas.total -v $size "ingest/$ref"
      head -c $half "$src" | tail -c +11 >> "ingest/$ref"
      "$power" "$disk" fsync "ingest/$ref"`,
    commits: false,
  },
  {
    script:
      'cp "$src" "ingest/$ref"; mv "ingest/$ref" "ingest/$ref-2"; "$power" "$disk" rename "ingest/$ref-2" "$blob"',
    commits: true,
  },
];

/** Bytes that nobody syncs, under way all the time. */
const BACKGROUND = `
exec 2> /dev/null
while true; do
  for n in 1 2 3; do cp "$src" "ingest/background-$n"; done
done`;

/** What is there of them is nothing, or can be removed. */
const CLEAR = 'rm -f ingest/background-*; [[ -z $(ls ingest) ]]';

/** Completes an ingest from what is there. */
const COMPLETE = `
size=$(stat -c %s "ingest/$ref")
cmp -n $size "$src" "ingest/$ref"
tail -c +$((size + 1)) "$src" >> "ingest/$ref"
mv "ingest/$ref" "$blob"
cmp "$src" "$blob"`;

async function cutAfter(faulty: Faulty, power: string, random: Random, turn: number): Promise<void> {
  const { t, mount, disk } = faulty;
  const { acked, ingests } = acknowledgedIn(mount);
  const size = random.size(100, 2_000_000);
  const half = Math.ceil(size / 2);
  const variables = { ...(await faulty.case(size)), power, disk: disk.path, half: `${half}` };
  const { src, hex, ref } = variables as Record<string, string>;
  const last = LAST[turn % LAST.length];
  if (last === undefined || src === undefined || ref === undefined) throw new Error('no case');
  const pid = mount.site.daemon;
  const background = mount.start(BACKGROUND, { src });
  const ended = once(background, 'close');
  t.is((await faulty.sh(last.script, variables)).trim(), 'OK', last.script);
  if (last.commits) fs.appendFileSync(acked, `sha256:${hex} ${size}\n`);
  else fs.writeFileSync(ingests, `${half} sha256:${hex} ${src} ${ref}\n`);
  background.kill('SIGKILL');
  await startAfterCut(faulty, pid);
  await ended;
  await faulty.verify(`after ${last.script}`);
  if (!last.commits) {
    await faulty.sh(COMPLETE, variables);
    fs.appendFileSync(acked, `sha256:${hex} ${size}\n`);
    fs.writeFileSync(ingests, '');
  } else if (last.script.includes('link')) {
    await faulty.sh('[[ ! -e ingest/$ref ]] || rm "ingest/$ref"', variables);
  }
  await faulty.sh(CLEAR);
}

function testAcknowledged(variant: Variant, format: Format): void {
  test.serial(
    `${variant.name} on ${format}: ${ACKNOWLEDGED} power cuts, each right after an acknowledgement`,
    async (t) => {
      t.timeout(LIMIT);
      const random = randomFor(t);
      const faulty = await Faulty.of(t, variant, { format, mebibytes: MEBIBYTES });
      const power = await program('power');
      for (let turn = 0; turn < ACKNOWLEDGED; turn++) await cutAfter(faulty, power, random, turn);
      await faulty.verify('at the end');
      t.is(countLines(acknowledgedIn(faulty.mount).acked), ACKNOWLEDGED);
      faulty.sound();
    },
  );
}

/** What came of a power cut at a random time. */
interface Cut {
  readonly acknowledged: number;
  readonly resumed: readonly string[];
}

async function cutAtRandom(faulty: Faulty, power: string, random: Random, durable: boolean): Promise<Cut> {
  const { mount, disk } = faulty;
  const { scratch } = mount;
  const { acked, ingests } = acknowledgedIn(mount);
  const before = countLines(acked);
  fs.writeFileSync(`${scratch}/direct`, '');
  const writers = await prepareWriters(scratch, random);
  const children = writers.map(({ script, variables }) => mount.start(script, variables));
  const ended = Promise.all(children.map((child) => once(child, 'close')));
  await until('something is committed', () => countLines(acked) > before);
  await sleep(random.between(0, 1000));
  const pid = mount.site.daemon;
  await faulty.sh('"$power" "$disk" > /dev/null', { power, disk: disk.path });
  for (const child of children) child.kill('SIGKILL');
  await startAfterCut(faulty, pid);
  await ended;
  const acknowledged = countLines(acked) - before;
  // Only what was synced is sure to be there; the others may have any of their bytes.
  const synced = `${scratch}/has-syncing`;
  if (fs.existsSync(synced)) fs.renameSync(synced, ingests);
  if (!durable) fs.writeFileSync(acked, '');
  await faulty.verify('after the power cut');
  const places = { acked, sources: `${scratch}/sources`, direct: `${scratch}/direct`, torn: '1' };
  const output = await faulty.sh(RESUME, { ...places, refusal: `${scratch}/refusal` });
  fs.writeFileSync(ingests, '');
  await faulty.verify('with all that was resumed');
  return { acknowledged, resumed: output.split('\n').filter((line) => line !== '') };
}

function testRandom(variant: Variant, format: Format, durable: boolean): void {
  const kind = durable ? '' : ', acknowledged before they are durable';
  test.serial(`${variant.name} on ${format}: ${RANDOM} power cuts at random times${kind}`, async (t) => {
    t.timeout(LIMIT);
    const random = randomFor(t);
    const args = durable ? [] : ['-o', 'sync=batch'];
    const faulty = await Faulty.of(t, variant, { format, mebibytes: MEBIBYTES, args });
    const power = await program('power');
    const cuts: Cut[] = [];
    for (let cut = 0; cut < RANDOM; cut++) {
      cuts.push(await cutAtRandom(faulty, power, random, durable));
      await faulty.sh('(cd blobs/sha256 && ls | xargs rm --)');
      fs.writeFileSync(acknowledgedIn(faulty.mount).acked, '');
    }
    const commits = cuts.reduce((sum, { acknowledged }) => sum + acknowledged, 0);
    const ways = cuts.flatMap(({ resumed }) => resumed);
    t.log(`${commits} commits acknowledged before a cut; ingests resumed after it: ${ways.length}`);
    t.log(`of which ${ways.filter((way) => way === 'rewritten').length} had other bytes and were refused`);
    t.true(commits >= RANDOM);
    faulty.sound();
  });
}

function testEachCall(variant: Variant, format: Format): void {
  const scenarios = SCENARIOS.filter(({ needsUnsynced }) => needsUnsynced !== true);
  for (const scenario of FULL ? scenarios : []) {
    test.serial(
      `${variant.name} on ${format}: a power cut before each call of ${scenario.title}`,
      async (t) => {
        t.timeout(LIMIT);
        const faulty = await Faulty.of(t, variant, { format });
        const cuts = await faultAtEach(faulty, scenario, 'cut');
        t.log(`${cuts} cuts`);
        t.true(cuts > 0);
        faulty.sound();
      },
    );
  }
}

function testBeforeSync(variant: Variant, format: Format): void {
  const title = 'a commit whose name is lost by a power cut before its sync is not acknowledged';
  test.serial(`${variant.name} on ${format}: ${title}`, async (t) => {
    t.timeout(LIMIT);
    const faulty = await Faulty.of(t, variant, { format });
    const { mount, shim } = faulty;
    const pid = mount.site.daemon;
    const commit = 'mv "ingest/$ref" "$blob"; echo "sha256:$hex $size" >> "$acked"';
    // The first one waits until nothing else is synced any more, as it is after a start.
    await faulty.sh('cp "$src" "ingest/$ref"; mv "ingest/$ref" "$blob"', await faulty.case(30_000));
    const variables = await faulty.case(30_000);
    await faulty.sh('cp "$src" "ingest/$ref"', variables);
    // Of the directory. How often the data is synced before depends on whether a checkpoint falls due.
    shim.arm({ action: 'cut', at: 1, calls: ['sync names'] });
    const { code } = await mount.run(commit, variables);
    shim.disarm();
    t.regex(shim.hit, /^fsync blobs\/sha256$/);
    t.not(code, 0);
    await startAfterCut(faulty, pid);
    await faulty.verify('after the restart');
  });
}

for (const variant of VARIANTS.slice(0, 1)) {
  for (const format of FORMATS) {
    testBeforeSync(variant, format);
    testAcknowledged(variant, format);
    testEachCall(variant, format);
    testRandom(variant, format, true);
    if (FULL) testRandom(variant, format, false);
  }
}
