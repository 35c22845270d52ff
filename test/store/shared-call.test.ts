import { setImmediate } from 'node:timers/promises';
import test from 'ava';
import { shareCalls } from '../../store/shared-call.js';

/** An action whose runs end when the test says so. */
function controlled(): { runs: PromiseWithResolvers[]; action: () => Promise<void> } {
  const runs: PromiseWithResolvers[] = [];
  const action = (): Promise<void> => {
    let [resolve, reject]: [() => void, (error: Error) => void] = [() => undefined, () => undefined];
    const promise = new Promise<void>((...settle) => ([resolve, reject] = settle));
    runs.push({ resolve, reject });
    return promise;
  };
  return { runs, action };
}

interface PromiseWithResolvers {
  resolve(): void;
  reject(error: Error): void;
}

/** Whether each promise has settled by now. */
async function settled(promises: readonly Promise<void>[]): Promise<boolean[]> {
  const states = promises.map(() => false);
  promises.forEach((promise, index) => {
    const note = (): void => void (states[index] = true);
    promise.then(note, note);
  });
  await setImmediate();
  return states;
}

test('a call starts at once while nothing runs', async (t) => {
  const { runs, action } = controlled();
  const call = shareCalls(action);
  const first = call();
  t.is(runs.length, 1);
  runs[0]?.resolve();
  await first;
  const second = call();
  t.is(runs.length, 2);
  runs[1]?.resolve();
  await second;
});

test('calls during a run share the next one, which starts after they were made', async (t) => {
  const { runs, action } = controlled();
  const call = shareCalls(action);
  const calls = [call(), call(), call()];
  t.is(runs.length, 1);
  runs[0]?.resolve();
  t.deepEqual(await settled(calls), [true, false, false]);
  t.is(runs.length, 2);
  const late = call();
  runs[1]?.resolve();
  t.deepEqual(await settled([...calls, late]), [true, true, true, false]);
  t.is(runs.length, 3);
  runs[2]?.resolve();
  await late;
});

test('a failure reaches those whose run it was, and nobody else', async (t) => {
  const { runs, action } = controlled();
  const call = shareCalls(action);
  const [first, ...shared] = [call(), call(), call()];
  runs[0]?.reject(new Error('disk'));
  await t.throwsAsync(first, { message: 'disk' });
  await setImmediate();
  runs[1]?.reject(new Error('again'));
  for (const promise of shared) await t.throwsAsync(promise, { message: 'again' });
  const last = call();
  runs[2]?.resolve();
  await t.notThrowsAsync(last);
});

test('every call is served by a run that began after it, whatever the order of events', async (t) => {
  let [begun, running] = [0, 0];
  const call = shareCalls(async () => {
    begun++;
    running++;
    await setImmediate();
    running--;
  });
  for (let round = 0; round < 100; round++) {
    const calls = Array.from({ length: round % 7 }, async () => {
      const before = begun;
      await call();
      t.true(begun > before);
    });
    if (round % 3 === 0) await setImmediate();
    await Promise.all(calls);
  }
  t.is(running, 0);
  t.true(begun < 300, `${begun} runs for 295 calls`);
});
