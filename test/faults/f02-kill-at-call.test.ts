import test from 'ava';
import type { Variant } from '../e2e/variants.js';
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
