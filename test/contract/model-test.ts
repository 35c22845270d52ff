import test from 'ava';
import fc from 'fast-check';
import { propertySettings } from '../helpers/properties.js';
import { allCommands, type Restarts } from './model-commands.js';
import { clear, compare, Model, type Real } from './model.js';
import type { SuiteOptions } from './suite.js';
import type { Subject } from './subject.js';

/** How many random runs are made, each of up to as many steps. */
interface Extent {
  readonly runs: number;
  readonly steps: number;
  readonly restarts: Restarts;
}

let runs = 0;

/** Registers a test that runs random operations on a subject and on the model, and compares the two. */
export function modelTest({ name, open, serial = false }: SuiteOptions<Subject>, extent: Extent): void {
  (serial ? test.serial : test)(`${name}: random operations do what a simple model says`, async (t) => {
    t.timeout(240_000);
    const subject = await open(t);
    const commands = fc.commands(allCommands(extent.restarts), { maxCommands: extent.steps, size: 'max' });
    const property = fc.asyncProperty(commands, async (drawn) => {
      const run = ++runs;
      const model = new Model(Array.from({ length: 4 }, (_, index) => `model-${run}-${index}`));
      const real: Real = { subject, writers: [] };
      try {
        await fc.asyncModelRun(() => ({ model, real }), drawn);
        await compare(model, real);
        // Each run has the time limit for itself.
        t.pass();
      } finally {
        await clear(model, real);
      }
    });
    await fc.assert(property, propertySettings(t, extent.runs));
  });
}
