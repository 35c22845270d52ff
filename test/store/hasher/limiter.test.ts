import test from 'ava';
import { limiter } from '../../../store/hasher/limiter.js';

test('no more tasks than allowed run at once, and they start in order', async (t) => {
  const inTurn = limiter(2);
  const started: number[] = [];
  let running = 0;
  const tasks = Array.from({ length: 20 }, (_, index) =>
    inTurn(async () => {
      started.push(index);
      running += 1;
      t.true(running <= 2);
      await new Promise(setImmediate);
      running -= 1;
      return index;
    }),
  );
  t.deepEqual(await Promise.all(tasks), started);
  t.is(started.length, 20);
});

test('a task that fails makes room for the next', async (t) => {
  const inTurn = limiter(1);
  const failed = inTurn(() => Promise.reject(new Error('no')));
  const next = inTurn(() => Promise.resolve('yes'));
  await t.throwsAsync(failed, { message: 'no' });
  t.is(await next, 'yes');
  t.is(await inTurn(() => Promise.resolve('again')), 'again');
});
