import test from 'ava';
import { isAlive } from '../src/process/site.js';
import { type Variant } from '../e2e/variants.js';
import { Faulty } from './faulty.js';
import { FULL, LIMIT, spread, VARIANTS } from './form.js';
import type { Format } from './loop-disk.js';
import { SCENARIOS, type Scenario, SIZE } from './scenarios.js';
import type { Fault } from './shim.js';

/*
 * F2: the daemon is killed before and after every system call that changes the store, or waits for the disk, in the
 * course of each scenario. Whatever was acknowledged by then is there at the next start, nothing else stands under
 * blobs/, and the scenario can be brought to its end.
 */

/** Kills of the short form, over all scenarios. */
const FEW = 15;

/** What one run was like. */
interface Outcome {
  readonly killed: boolean;
  /** Calls that were made until then. */
  readonly calls: number;
}

/** Runs a scenario with a fault in it, mounts again, and brings it to its end. */
async function runWith(faulty: Faulty, scenario: Scenario, fault: Fault): Promise<Outcome> {
  const { t, mount, shim } = faulty;
  const variables = await faulty.case(SIZE);
  if (scenario.prepare !== undefined) await faulty.sh(scenario.prepare, variables);
  let starts = true;
  if (scenario.atStart) {
    await mount.kill();
    shim.arm(fault);
    starts = await mount.mount([], shim.env).then(
      () => true,
      () => false,
    );
  }
  const pid = mount.site.daemon;
  if (!scenario.atStart) shim.arm(fault);
  const { code, stderr } = starts ? await mount.run(scenario.script, variables) : { code: -1, stderr: '' };
  await faulty.stop(pid);
  shim.disarm();
  const killed = shim.acted;
  const when = `${scenario.title}, ${fault.action} call ${fault.at}, ${shim.hit}`;
  const calls = shim.count;
  if (!killed) t.is(code, 0, `${when}: ${stderr}`);
  t.false(isAlive(pid), when);
  await faulty.restart();
  await faulty.verify(`${when}, after the restart`);
  const { code: end, stderr: complaint } = await mount.run(scenario.finish, variables);
  t.is(end, 0, `${when}: ${complaint}`);
  await faulty.verify(`${when}, at the end`);
  return { killed, calls };
}

/** Kills at each call in turn, until a run comes to its end without. How many kills there were. */
async function killAtEach(faulty: Faulty, scenario: Scenario, action: Fault['action']): Promise<number> {
  for (let at = 1; ; at++) {
    const { killed } = await runWith(faulty, scenario, { action, at });
    if (!killed) return at - 1;
  }
}

function testInFull(variant: Variant, format: Format): void {
  for (const scenario of SCENARIOS) {
    for (const action of ['kill before', 'kill after'] as const) {
      test.serial(`${variant.name} on ${format}: ${action} each call of ${scenario.title}`, async (t) => {
        t.timeout(LIMIT);
        const faulty = await Faulty.of(t, variant, { format });
        const kills = await killAtEach(faulty, scenario, action);
        t.log(`${kills} kills`);
        t.true(kills > 0);
        faulty.sound();
      });
    }
  }
}

if (FULL) {
  for (const variant of VARIANTS) testInFull(variant, 'ext4');
  for (const variant of VARIANTS.slice(0, 1)) testInFull(variant, 'ext4 without a journal');
} else {
  for (const variant of VARIANTS) {
    test.serial(`${variant.name}: a kill at some of the calls of each scenario`, async (t) => {
      t.timeout(LIMIT);
      const faulty = await Faulty.of(t, variant);
      const runs = spread(FEW, FEW);
      let kills = 0;
      for (const run of runs) {
        const scenario = SCENARIOS[(run - 1) % SCENARIOS.length];
        if (scenario === undefined) throw new Error('no scenario');
        const at = 1 + ((run * 7) % 13);
        const action = run % 2 === 0 ? 'kill before' : 'kill after';
        if ((await runWith(faulty, scenario, { action, at })).killed) kills++;
      }
      t.log(`${kills} kills`);
      t.true(kills >= (2 * FEW) / 3);
      faulty.sound();
    });
  }
}
