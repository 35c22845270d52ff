import fs from 'node:fs';
import { CAS, isAlive } from '../src/process/site.js';
import type { Faulty } from './faulty.js';
import { startAfterCut } from './power.js';
import { type Scenario, SIZE } from './scenarios.js';
import type { Fault } from './shim.js';
import { acknowledgedIn } from './verify.js';

/**
 * Runs a scenario with a fault in it, mounts again, verifies the store and brings the scenario to its end.
 * @returns whether it came to the fault
 */
export async function runScenario(faulty: Faulty, scenario: Scenario, given: Fault): Promise<boolean> {
  const { t, mount, shim } = faulty;
  const fault = { ...given, index: scenario.index ?? false };
  const variables = { ...(await faulty.case(SIZE)), cas: CAS };
  await faulty.sh(scenario.prepare, variables);
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
  const isCut = fault.action === 'cut';
  if (!isCut) await faulty.stop(pid);
  shim.disarm();
  const { acted, hit } = shim;
  const when = `${scenario.title}, ${fault.action} at call ${fault.at}, ${hit}`;
  if (!acted) t.is(code, 0, `${when}: ${stderr}`);
  if (isCut) {
    // Bytes that were not synced may be gone.
    fs.writeFileSync(acknowledgedIn(mount).ingests, '');
    await startAfterCut(faulty, pid);
  } else {
    await faulty.restart();
  }
  t.false(isAlive(pid), when);
  await faulty.verify(`${when}, after the restart`);
  const { code: end, stderr: complaint } = await mount.run(scenario.finish, variables);
  t.is(end, 0, `${when}: ${complaint}`);
  await faulty.verify(`${when}, at the end`);
  return acted;
}

/** Runs a scenario with the fault at each call in turn, until a run comes to its end without. How many faults there were. */
export async function faultAtEach(
  faulty: Faulty,
  scenario: Scenario,
  action: Fault['action'],
): Promise<number> {
  for (let at = 1; ; at++) if (!(await runScenario(faulty, scenario, { action, at }))) return at - 1;
}
