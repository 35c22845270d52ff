import test from 'ava';
import { Rate } from '../../../store/ingest/rate.js';

/** Writes `bytes` every `pause` milliseconds, the first at `from`, the last before `until`. */
function write(rate: Rate, bytes: number, pause: number, from: number, until: number): void {
  for (let now = from; now < until; now += pause) rate.add(bytes, now);
}

for (const began of [0, 123, 9_999_999]) {
  test(`a steady writer that began at ${began} ms has its rate, at once and for ever`, (t) => {
    const rate = new Rate();
    write(rate, 1000, 10, began, began + 60_000);
    // Asking at the end: the window is the last four seconds, to a quarter of a second.
    const found = rate.at(began + 60_000) ?? 0;
    t.true(Math.abs(found - 100_000) < 1000, `${found}`);

    const young = new Rate();
    write(young, 1000, 10, began, began + 500);
    const early = young.at(began + 500) ?? 0;
    t.true(Math.abs(early - 100_000) < 1000, `${early}`);
  });
}

test('a rate is not told before there is enough to tell it from', (t) => {
  const rate = new Rate();
  t.is(rate.at(5), undefined);
  rate.add(1 << 20, 10);
  t.is(rate.at(11), undefined);
  t.is(rate.at(510), (1 << 20) * 2);
});

test('a rate falls to 0 when nothing is written any more, and rises again', (t) => {
  const rate = new Rate();
  write(rate, 1000, 10, 0, 4000);
  const falling = [4000, 5000, 6000, 7000].map((now) => rate.at(now) ?? Number.NaN);
  t.deepEqual(
    falling,
    falling.toSorted((a, b) => b - a),
  );
  t.is(rate.at(8000), 0);
  t.is(rate.at(1_000_000), 0);
  write(rate, 1000, 10, 1_000_000, 1_010_000);
  t.true(Math.abs((rate.at(1_010_000) ?? 0) - 100_000) < 1000);
});

test('a writer that changes its speed has the new rate after four seconds', (t) => {
  const rate = new Rate();
  write(rate, 1000, 10, 0, 20_000);
  write(rate, 10, 10, 20_000, 24_000);
  t.true(Math.abs((rate.at(24_000) ?? 0) - 1000) < 10);
});

test('asking for a rate does not change it', (t) => {
  const [asked, left] = [new Rate(), new Rate()];
  for (let now = 0; now < 30_000; now += 130) {
    for (const rate of [asked, left]) rate.add(now, now);
    asked.at(now + 129);
  }
  t.is(asked.at(30_000), left.at(30_000));
});
