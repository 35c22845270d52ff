import { type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import type { Variant } from '../e2e/variants.js';
import { until } from '../src/process/site.js';
import { Faulty } from './faulty.js';
import { ANSWER, FULL, LIMIT, type Random, randomFor, VARIANTS } from './form.js';
import { acknowledgedIn } from './verify.js';
import { countLines, linesOf, prepareWriters, READ, RESUME } from './writers.js';

/*
 * F1: the daemon is killed at random times while four writers ingest and commit and a reader reads. It is mounted
 * again without any help; what was acknowledged is there, and what was not can be resumed and committed.
 */

const KILLS = FULL ? 200 : 6;

/** One round in so many keeps its blobs to the end. */
const KEPT = 20;

/** What came of one kill. */
interface Round {
  readonly acknowledged: number;
  /** What the ingests that were left took to be committed. */
  readonly resumed: readonly string[];
}

async function killOnce(faulty: Faulty, random: Random): Promise<Round> {
  const { t, mount } = faulty;
  const { scratch } = mount;
  const { acked, ingests } = acknowledgedIn(mount);
  const places = {
    acked,
    sources: `${scratch}/sources`,
    direct: `${scratch}/direct`,
    refusal: `${scratch}/refusal`,
  };
  const before = countLines(acked);
  for (const name of ['direct', 'wrong']) fs.writeFileSync(`${scratch}/${name}`, '');
  const writers = await prepareWriters(scratch, random);
  const children = [
    ...writers.map(({ script, variables }) => mount.start(script, variables)),
    mount.start(READ, { acked, copy: `${scratch}/copy`, wrong: `${scratch}/wrong` }),
  ];
  const ended = children.map((child) => once(child, 'close'));
  await until('something is committed', () => countLines(acked) > before);
  await sleep(random.between(0, 700));
  await mount.kill();
  await allEnd(ended, children);
  t.is(fs.readFileSync(`${scratch}/wrong`, 'utf8'), '');
  const acknowledged = countLines(acked) - before;

  await faulty.restart();
  const has = fs.readdirSync(scratch).filter((name) => name.startsWith('has-'));
  fs.writeFileSync(ingests, has.map((name) => fs.readFileSync(`${scratch}/${name}`, 'utf8')).join(''));
  for (const name of has) fs.rmSync(`${scratch}/${name}`);
  await faulty.verify('after the restart');
  const resumed = await faulty.sh(RESUME, places);
  fs.writeFileSync(ingests, '');
  return { acknowledged, resumed: resumed.split('\n').filter((line) => line !== '') };
}

async function allEnd(ended: readonly Promise<unknown>[], children: readonly ChildProcess[]): Promise<void> {
  const late = sleep(ANSWER, 'late', { ref: false });
  if ((await Promise.race([Promise.all(ended), late])) !== 'late') return;
  for (const child of children) child.kill('SIGKILL');
  throw new Error('a client hangs');
}

/** Removes the blobs that were acknowledged but for those of the lines `kept`, so that the store does not grow. */
async function forget(faulty: Faulty, kept: readonly string[]): Promise<void> {
  const { acked } = acknowledgedIn(faulty.mount);
  const stay = `${acked}-kept`;
  fs.writeFileSync(stay, kept.join(''));
  await faulty.sh(
    `sort -u "$acked" | grep -vxFf "$stay" | cut -d: -f2 | cut -d' ' -f1 | (cd blobs/sha256 && xargs rm --)`,
    { acked, stay },
  );
  fs.renameSync(stay, acked);
}

function testKills(variant: Variant): void {
  test.serial(`${variant.name}: ${KILLS} kills while four writers ingest, and nothing is lost`, async (t) => {
    t.timeout(LIMIT);
    const random = randomFor(t);
    const faulty = await Faulty.of(t, variant, { mebibytes: 1024 });
    const { acked } = acknowledgedIn(faulty.mount);
    const rounds: Round[] = [];
    let kept: string[] = [];
    for (let kill = 1; kill <= KILLS; kill++) {
      rounds.push(await killOnce(faulty, random));
      if (kill % KEPT === 0 || kill === KILLS) kept = linesOf(acked);
      else await forget(faulty, kept);
    }
    await faulty.verify('at the end');
    const commits = rounds.reduce((sum, { acknowledged }) => sum + acknowledged, 0);
    const ways = rounds.flatMap(({ resumed }) => resumed);
    const counts = ['resumed', 'complete', 'rewritten', 'committed'].map(
      (way) => `${ways.filter((found) => found === way).length} ${way}`,
    );
    t.log(`${commits} commits acknowledged before a kill; ingests after it: ${counts.join(', ')}`);
    t.true(commits >= KILLS && ways.length >= KILLS);
    faulty.sound();
  });
}

for (const variant of VARIANTS) testKills(variant);
