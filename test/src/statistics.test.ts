import test from 'ava';
import { Statistics } from '../../src/statistics.js';

test('requests are counted by operation, errors by errno', (t) => {
  const statistics = new Statistics();
  for (const errno of [0, 0, 2, 2, 74]) statistics.answered('LOOKUP', errno, 0.5);
  statistics.answered('READ', 0, 3);
  statistics.defect();
  const { LOOKUP, READ } = statistics.operations();
  t.like(LOOKUP, { count: 5, errors: { ENOENT: 2, EBADMSG: 1 } });
  t.like(READ, { count: 1, errors: {} });
  t.is(statistics.defects, 1);
});

test('latencies are summed up in a histogram of powers of two', (t) => {
  const statistics = new Statistics();
  for (let n = 0; n < 98; n++) statistics.answered('READ', 0, 0.1);
  statistics.answered('READ', 0, 50);
  statistics.answered('READ', 0, 5_000_000);
  const { mean, p50, p99, max, histogram } = statistics.operations()['READ']?.milliseconds ?? t.fail();
  t.is(Math.round(mean), 50_001);
  t.is(p50, 0.128);
  t.is(p99, 65.536);
  t.is(max, 5_000_000);
  t.deepEqual(
    histogram.map(({ count }) => count),
    [98, 1, 1],
  );
});
