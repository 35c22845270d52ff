import test from 'ava';
import type { Variant } from '../e2e/variants.js';
import { isAlive, until } from '../src/process/site.js';
import { directoryOf, sealsOn } from '../store/ingest/checkpoints/on-disk.js';
import { Faulty } from './faulty.js';
import { FULL, LIMIT, spread, VARIANTS } from './form.js';
import type { Format } from './loop-disk.js';
import { faultAtEach, runScenario } from './run-scenario.js';
import { SCENARIOS } from './scenarios.js';

/*
 * F2: the daemon is killed before and after every system call that changes the store, or waits for the disk, in the
 * course of each scenario. Whatever was acknowledged by then is there at the next start, nothing else stands under
 * blobs/, and the scenario can be brought to its end.
 */

/** Kills of the short form, over all scenarios. */
const FEW = 15;

function testInFull(variant: Variant, format: Format): void {
  for (const scenario of SCENARIOS) {
    for (const action of ['kill before', 'kill after'] as const) {
      test.serial(`${variant.name} on ${format}: ${action} each call of ${scenario.title}`, async (t) => {
        t.timeout(LIMIT);
        const faulty = await Faulty.of(t, variant, { format });
        const kills = await faultAtEach(faulty, scenario, action);
        t.log(`${kills} kills`);
        t.true(kills > 0);
        faulty.sound();
      });
    }
  }
}

/** So large that its bytes have not been read again when the daemon is killed: until then no state is of this boot. */
const LARGE = 64 << 20;

function testAfterReboot(variant: Variant, format: Format): void {
  const title = 'a kill after a restart of the machine takes nothing of what was written since';
  test.serial(`${variant.name} on ${format}: ${title}`, async (t) => {
    t.timeout(LIMIT);
    const faulty = await Faulty.of(t, variant, { format, args: ['--checkpoint', '1G'] });
    const { mount, shim } = faulty;
    const variables = await faulty.case(LARGE);
    await faulty.sh('head -c -200000 "$src" > "ingest/$ref"', variables);
    const directory = directoryOf(mount.site.store, variables['ref']);
    // A state that was saved while it was written is of fewer bytes: what came later is cut off.
    const whole = (): boolean => sealsOn(directory).some(({ size }) => size === LARGE - 200_000);
    await until('the state of its hash is saved, all of its bytes being synced', whole);
    await mount.kill();
    shim.reboot();
    await faulty.restart();
    const pid = mount.site.daemon;
    const append = `
      tail -c 200000 "$src" > "$scratch/rest"
      exec 3>> "ingest/$ref"
      head -c 100000 "$scratch/rest" >&3
      kill -9 $pid
      echo "$((size - 100000)) sha256:$hex $src $ref" > "$ingests"`;
    await faulty.sh(append, { ...variables, pid: `${pid}` });
    await until('the daemon is gone', () => !isAlive(pid));
    await faulty.restart();
    await faulty.stop(mount.site.daemon);
    await faulty.verify('after the kill');
    await faulty.restart();
    await faulty.sh('tail -c 100000 "$src" >> "ingest/$ref"; mv "ingest/$ref" "$blob"', variables);
    faulty.sound();
  });
}

for (const variant of VARIANTS.slice(0, 1)) testAfterReboot(variant, 'ext4 without a journal');

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
        if (await runScenario(faulty, scenario, { action, at })) kills++;
      }
      t.log(`${kills} kills`);
      t.true(kills >= (2 * FEW) / 3);
      faulty.sound();
    });
  }
}
