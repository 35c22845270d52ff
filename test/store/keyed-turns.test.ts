import test from 'ava';
import { KeyedTurns } from '../../store/keyed-turns.js';

test('those who are about the same key come one after the other, also after a failure', async (t) => {
  const turns = new KeyedTurns<string>();
  const log: string[] = [];
  const act = async (name: string, fail = false): Promise<void> => {
    log.push(`${name} begins`);
    await Promise.resolve();
    log.push(`${name} ends`);
    if (fail) throw new Error(name);
  };
  const first = turns.take('k', () => act('first', true));
  const second = turns.take('k', () => act('second'));
  await turns.take('other', () => act('other'));
  await t.throwsAsync(first, { message: 'first' });
  await second;
  t.true(log.indexOf('second begins') > log.indexOf('first ends'));
  t.true(log.indexOf('other begins') < log.indexOf('second begins'));
});

test('all turns that are taken can be waited for, and a failure of one is no matter then', async (t) => {
  const turns = new KeyedTurns<number>();
  let done = 0;
  const work = [1, 1, 2].map((key) =>
    turns.take(key, async () => {
      await Promise.resolve();
      done++;
      throw new Error('failed');
    }),
  );
  const failures = Promise.allSettled(work);
  await turns.settled();
  t.is(done, 3);
  t.true((await failures).every(({ status }) => status === 'rejected'));
  await turns.settled();
});
