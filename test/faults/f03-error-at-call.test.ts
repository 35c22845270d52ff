import fs from 'node:fs';
import test from 'ava';
import { hexOf } from '../../store/digest.js';
import type { Variant } from '../e2e/variants.js';
import { seededBytes } from '../helpers/bytes.js';
import { digestOfBytes } from '../helpers/digests.js';
import { Faulty } from './faulty.js';
import { FULL, LIMIT, spread, VARIANTS } from './form.js';
import type { Format } from './loop-disk.js';
import { Client, finish, type Procedure, PROCEDURES } from './procedures.js';
import { type Call, CALLS, type Fault } from './shim.js';
import { acknowledgedIn } from './verify.js';

/*
 * F3: every system call on the store fails once, in the course of each procedure, with each error that is usual for
 * it. The caller is told of it, or nothing is lost; the procedure can be brought to its end afterwards.
 */

const SIZE = 30_000;

/** What goes wrong with a call. `short`: it takes half of what it was given. */
type Problem = NonNullable<Fault['error']> | 'short';

const ERRORS: Readonly<Record<Call, readonly Problem[]>> = {
  create: ['EIO', 'ENOSPC', 'EMFILE'],
  open: ['EIO', 'EMFILE'],
  read: ['EIO'],
  write: ['EIO', 'ENOSPC', 'short'],
  sync: ['EIO', 'ENOSPC'],
  rename: ['EIO', 'ENOSPC'],
  link: ['EIO', 'ENOSPC'],
  unlink: ['EIO'],
  rmdir: ['EIO'],
  mkdir: ['EIO', 'ENOSPC'],
  truncate: ['EIO', 'ENOSPC'],
  chmod: ['EIO'],
  chown: ['EIO'],
  times: ['EIO'],
  xattr: ['EIO', 'ENOSPC'],
  'sync names': ['EIO', 'ENOSPC'],
};

/**
 * Calls whose failure need not be told, as it costs nothing but time: what is left of an ingest that became a blob,
 * which the next start removes, or finds again where the blob was there before; saved hash states; times and the
 * reason of a refusal, which are remembered; reads ahead of the commit, which reads again, or of the
 * kernel, which does so too; mkdir of what is there.
 */
const SILENT = [
  /^(unlink|rmdir) ingest\/\w+(\/\w+)?$/,
  /^\w+ ingest\/\w+\/(hashstates|checkpoints|state\.tmp|startedat|updatedat|error|boot|mode)/,
  /^p?read(64)? (fresh\/[\w-]+|ingest\/\w+\/data|blobs\/sha256\/\w+)$/,
  /^mkdir directories$/,
  /^unlink fresh\/[\w-]+$/,
];

/** A sync of data that fails is final for its ingest: every later commit is EIO, whatever the disk said. */
const SYNC_OF_DATA = /^(fsync|fdatasync|sync_file_range) (fresh\/|ingest\/\w+\/data)/;

/** The errnos that a step may fail with; none where there need not be a failure. */
function allowed(hit: string, error: string, { cuts }: Procedure): readonly string[] {
  if (error === 'short') return ['none'];
  if (SYNC_OF_DATA.test(hit)) return [error, 'EIO', ...(cuts ? ['none'] : [])];
  return SILENT.some((call) => call.test(hit)) ? ['none', error] : [error];
}

let cases = 0;

async function clientOf({ mount }: Faulty): Promise<Client> {
  const content = seededBytes(SIZE, 1_000_000 + ++cases);
  const digest = await digestOfBytes(content);
  const blob = `blobs/sha256/${hexOf(digest)}`;
  const { acked } = acknowledgedIn(mount);
  const acknowledge = (): void => fs.appendFileSync(acked, `${digest} ${SIZE}\n`);
  return new Client(mount.mountpoint, { content, blob, ref: `case-${cases}` }, acknowledge);
}

/** How many calls of each kind a procedure makes. */
async function countCalls(faulty: Faulty, procedure: Procedure): Promise<Map<Call, number>> {
  const client = await clientOf(faulty);
  if (procedure.prepare) await procedure.prepare(client);
  faulty.shim.watch(CALLS);
  faulty.t.is(await client.run(procedure.run), undefined);
  faulty.shim.disarm();
  await finish(client);
  const counts = new Map<Call, number>();
  for (const { call } of faulty.shim.trace) counts.set(call, (counts.get(call) ?? 0) + 1);
  return counts;
}

/** One call that is to fail: the `at`-th of its kind. */
interface Case {
  readonly call: Call;
  readonly at: number;
  readonly error: Problem;
}

/**
 * An ingest that nobody uses gets its directory after so many milliseconds, in the background: an error of that is told to
 * nobody, and costs nothing, as it is made again when it is needed.
 */
const REST = 1000;
/** How often a procedure is run again that others on the machine have held up for that long. */
const TRIES = 20;

/** What came of a call that failed. */
interface Outcome {
  /** Whether it came to that. */
  readonly acted: boolean;
  readonly problems: readonly string[];
  /** Whether all that is wrong may be that it was a call of the background. */
  readonly late: boolean;
}

/** Runs a procedure with one call that fails. */
async function failOnce(faulty: Faulty, procedure: Procedure, { call, at, error }: Case): Promise<Outcome> {
  const { shim, mount } = faulty;
  const client = await clientOf(faulty);
  const fault = error === 'short' ? { action: 'short' as const } : { action: 'fail' as const, error };
  // What `prepare` has made may rest since before.
  const began = performance.now();
  if (procedure.prepare) await procedure.prepare(client);
  shim.arm({ ...fault, at, calls: [call] });
  const failure = await client.run(procedure.run);
  shim.disarm();
  const late = performance.now() - began >= REST;
  const { acted, hit } = shim;
  if (failure?.errno === 'hangs') mount.abort();
  const expected = acted ? allowed(hit, error, procedure) : ['none'];
  const found = failure?.errno ?? 'none';
  const problems: string[] = [];
  const say = (what: string): unknown =>
    problems.push(`${procedure.title}: ${error} from ${at}: ${hit}: ${what}`);
  if (!expected.includes(found))
    say(failure === undefined ? 'not told' : `${failure.step}: ${failure.errno}`);
  const untold = problems.length;
  await finish(client).catch((reason: unknown) => say(`and then ${String(reason)}`));
  return { acted, problems, late: late && problems.length === untold };
}

/** {@link failOnce}, until what is wrong with it can be no call of the background. */
async function failAt(faulty: Faulty, procedure: Procedure, one: Case): Promise<Outcome> {
  let outcome = await failOnce(faulty, procedure, one);
  for (let tries = 1; tries < TRIES && outcome.late && outcome.problems.length > 0; tries++)
    outcome = await failOnce(faulty, procedure, one);
  return outcome;
}

/** All that fails in the course of a procedure: each call of each kind in full, the first and the last else. */
async function casesOf(faulty: Faulty, procedure: Procedure): Promise<Case[]> {
  const counts = await countCalls(faulty, procedure);
  return [...counts].flatMap(([call, count]) =>
    spread(count, 2).flatMap((at) =>
      ERRORS[call].slice(0, FULL ? undefined : 1 + (at % 2)).map((error) => ({ call, at, error })),
    ),
  );
}

function testErrors(variant: Variant, format: Format): void {
  test.serial(`${variant.name} on ${format}: an error of any call is told, and costs nothing`, async (t) => {
    t.timeout(LIMIT);
    const faulty = await Faulty.of(t, variant, { format });
    const problems: string[] = [];
    let faults = 0;
    for (const procedure of PROCEDURES) {
      for (const one of await casesOf(faulty, procedure)) {
        const found = await failAt(faulty, procedure, one);
        if (found.acted) faults++;
        problems.push(...found.problems);
      }
      t.pass(procedure.title);
    }
    await faulty.stop(faulty.mount.site.daemon);
    await faulty.restart();
    t.log(`${faults} faults`);
    t.deepEqual(problems, []);
    t.true(faults > 100);
    await faulty.verify('after all');
    faulty.sound();
  });
}

for (const variant of VARIANTS) testErrors(variant, 'ext4');
if (FULL) for (const variant of VARIANTS.slice(0, 1)) testErrors(variant, 'ext4 without a journal');
