import test from 'ava';
import { CHECKPOINT_STEP, Pace } from '../../../store/ingest/pace.js';

const MIB = 1 << 20;

test('a state is due after each 64 MiB that are hashed', (t) => {
  const pace = new Pace(CHECKPOINT_STEP, 0);
  t.false(pace.isDue(64 * MIB - 1, 10));
  t.true(pace.isDue(64 * MIB, 10));
  t.true(pace.isDue(64 * MIB, 10), 'until it is taken');
  pace.taken(65 * MIB, 20);
  t.false(pace.isDue(129 * MIB - 1, 30));
  t.true(pace.isDue(129 * MIB, 30));
});

test('a state is due after five seconds in which anything was hashed', (t) => {
  const pace = new Pace(CHECKPOINT_STEP, 1000);
  t.false(pace.isDue(1, 5999));
  t.true(pace.isDue(1, 6000));
  pace.taken(1, 6000);
  t.false(pace.isDue(1, 60_000), 'nothing more was hashed');
  t.true(pace.isDue(2, 60_000));
});

test('what is cut off and hashed again counts again', (t) => {
  const pace = new Pace(CHECKPOINT_STEP, 0);
  pace.taken(200 * MIB, 0);
  t.false(pace.isDue(100 * MIB, 1));
  t.false(pace.isDue(164 * MIB - 1, 1));
  t.true(pace.isDue(164 * MIB, 1));
});

test('the number of bytes can be chosen, and Infinity means never while it is written', (t) => {
  t.true(new Pace(1, 0).isDue(1, 0));
  t.false(new Pace(1, 0).isDue(0, 0));
  t.false(new Pace(Infinity, 0).isDue(2 ** 50, 1e9));
});
