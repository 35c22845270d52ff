import { watchDisk } from './disk-calls.js';
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import fc from 'fast-check';
import { createHasher } from '../../../../store/hasher/engines.js';
import type { Ingest } from '../../../../store/ingest/ingest.js';
import { seededBytes } from '../../../helpers/bytes.js';
import { digestOfFile } from '../../../helpers/digests.js';
import { propertySettings } from '../../../helpers/properties.js';
import { temporaryStore } from '../../../helpers/stores.js';
import { directoryOf, restartMachine, sealedStatesOn } from './on-disk.js';
import { find, transfer, write } from './sessions.js';

/** What is done to one ingest; all of a burst are under way at once. */
type Step =
  | { readonly do: 'write'; readonly at: number; readonly size: number; readonly seed: number }
  | { readonly do: 'append'; readonly size: number; readonly seed: number }
  | { readonly do: 'truncate'; readonly size: number }
  | { readonly do: 'persist' | 'move' };

const offset = fc.nat(120_000);
const size = fc.oneof(fc.integer({ min: 1, max: 200 }), fc.integer({ min: 1, max: 60_000 }));
const seed = fc.nat(3);
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 2, arbitrary: fc.record({ do: fc.constant('write' as const), at: offset, size, seed }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('append' as const), size, seed }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('truncate' as const), size: offset }) },
  { weight: 4, arbitrary: fc.constant({ do: 'persist' as const }) },
  { weight: 1, arbitrary: fc.constant({ do: 'move' as const }) },
);
/** In milliseconds; by turns, how long a call is held up that is not made at once. */
const delays = fc.array(fc.nat(3), { minLength: 1, maxLength: 5 });
const rounds = fc.array(
  fc.record({
    bursts: fc.array(fc.array(step, { maxLength: 5 }), { maxLength: 8 }),
    boot: fc.boolean(),
    delays,
  }),
  { minLength: 1, maxLength: 3 },
);

interface Wrong {
  readonly what: string;
}

/** Every state on disk whose seal is right is that of the bytes below it, as node:crypto hashes them. */
async function wrongStates(directory: string): Promise<Wrong[]> {
  const path = join(directory, 'data');
  if (!fs.existsSync(path)) return [];
  const states = sealedStatesOn(directory);
  // Read in the same step as the states: what is written meanwhile is above them.
  const bytes = fs.readFileSync(path);
  const wrong = states.map(async ({ offset, state, seal }) => {
    const hasher = await createHasher(seal.algorithm, state);
    const found = hasher.digest();
    hasher.dispose();
    const right = createHash('sha256').update(bytes.subarray(0, offset)).digest('hex');
    return found === `sha256:${right}` && offset <= bytes.length
      ? []
      : [{ what: `state ${offset} of ${bytes.length} bytes` }];
  });
  return (await Promise.all(wrong)).flat();
}

test.serial('whatever is done at once, a state on disk is always that of the bytes below it', async (t) => {
  t.timeout(240_000);
  let [checked, held] = [0, 0];
  const property = fc.asyncProperty(rounds, async (drawn) => {
    const opened = await temporaryStore(t, { checkpoint: 1 });
    const wrong: Wrong[] = [];
    const checks: Promise<void>[] = [];
    await transfer(opened.store.ingests, seededBytes(80_000), [30_000, 60_000, 80_000]);
    let [ref, turn] = ['x', 0];
    for (const { bursts, boot, delays } of drawn) {
      await opened.close();
      if (boot) restartMachine(directoryOf(opened.root, ref));
      const { ingests } = await opened.reopen();
      const ingest = await find(ingests, ref);
      const check = (): void => {
        const directory = ingest.record.directory ?? '';
        checked += sealedStatesOn(directory).length;
        checks.push(wrongStates(directory).then((found) => void wrong.push(...found)));
      };
      watchDisk((call) => {
        if (call.path.endsWith('/data') && (call.name === 'write' || call.name === 'truncate')) {
          const directory = join(call.path, '..');
          const above = sealedStatesOn(directory).filter(({ offset }) => offset > call.at);
          wrong.push(...above.map(({ offset }) => ({ what: `${call.name} at ${call.at} below ${offset}` })));
          if (!call.path.includes('/fresh/')) check();
        }
        const delay = delays[turn++ % delays.length] ?? 0;
        if (delay === 0) return undefined;
        held++;
        return sleep(delay);
      });
      ingest.lock();
      try {
        for (const burst of bursts) {
          await Promise.all(burst.map((each) => run(each)));
          check();
        }
      } finally {
        ingest.unlock();
        await ingest.settle();
        watchDisk(undefined);
      }
      await Promise.all(checks);
      if (wrong.length > 0) throw new Error(wrong.map(({ what }) => what).join('; '));
      const path = join(directoryOf(opened.root, ref), 'data');
      await ingest.seal();
      const digest = await ingest.digest('sha256');
      ingest.unseal();
      if (digest !== (await digestOfFile(path))) throw new Error('the digest is not that of the file');

      async function run(each: Step): Promise<void> {
        if (each.do === 'write') await write(ingest, seededBytes(each.size, each.seed), each.at);
        else if (each.do === 'append') await append(ingest, each.size, each.seed);
        else if (each.do === 'truncate') await ingest.truncate(each.size);
        else if (each.do === 'persist') await ingest.persist();
        else await ingests.rename(ingest, (ref = `${ref}x`) as never);
      }
    }
    await opened.close();
  });
  await fc.assert(property, propertySettings(t, 60));
  t.log(`${checked} states compared, ${held} calls held up`);
  t.true(checked > 1000);
});

async function append(ingest: Ingest, size: number, seed: number): Promise<void> {
  await write(ingest, seededBytes(size, seed), ingest.size);
}
