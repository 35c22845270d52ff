// Measures the metadata database by itself: node scripts/bench.d/metadata.mjs [DIR]
// DIR is where it is made (default: TMPDIR). Run scripts/set-up first.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Database } from '../../dist/store/metadata/database.js';
import { median } from './measure.mjs';

const [given = tmpdir(), child] = process.argv.slice(2);
const directory = child === undefined ? mkdtempSync(join(given, 'cas-metadata-')) : given;
const ROWS = 100_000;

function open() {
  return new Database(join(directory, 'meta'), {
    damaged: join(directory, 'damaged'),
    contents: 'bench',
    rebuild: () => Promise.resolve(),
    report: ({ message }) => process.stdout.write(`reported: ${message}\n`),
  });
}

const row = (number) => ({
  key: Buffer.from(
    `Lorg.example.kind\0=layer\0sha256:${(number * 2654435761).toString(16).padStart(64, '0')}`,
  ),
  value: Buffer.of(),
});

async function milliseconds(action) {
  const began = performance.now();
  await action();
  return performance.now() - began;
}

function tell(what, figure, unit = 'ms') {
  process.stdout.write(`${what.padEnd(58)} ${figure.toFixed(figure < 10 ? 2 : 0).padStart(8)} ${unit}\n`);
}

async function untilWhole(database) {
  while (!(await database.whole())) await sleep(1);
}

/** Opens it so many times: until a row can be read, and until all are checked. */
async function opening(what, prepare) {
  const [reads, checks] = [[], []];
  for (let time = 0; time < 5; time++) {
    prepare();
    const database = open();
    reads.push(await milliseconds(() => database.get(row(1).key)));
    checks.push(await milliseconds(() => untilWhole(database)));
    await database.close();
  }
  tell(`open, ${what}, to the first read`, median(reads));
  tell(`open, ${what}, to the end of the scan after it`, median(checks));
}

/** A process that writes a little and is killed. */
function crash() {
  try {
    execFileSync(process.execPath, [import.meta.filename, directory, 'crash']);
  } catch (error) {
    if (error.signal !== 'SIGKILL') throw error;
  }
}

if (child === 'crash') {
  const database = open();
  for (let number = 0; number < 100; number++) await database.batch([row(ROWS + number)]);
  process.kill(process.pid, 'SIGKILL');
}

try {
  const first = open();
  tell('make, with the loading of level', await milliseconds(() => untilWhole(first)));
  await first.close();
  await opening('empty', () => undefined);

  const writer = open();
  await untilWhole(writer);
  const single = [];
  for (let number = 0; number < 500; number++)
    single.push(await milliseconds(() => writer.batch([row(number)])));
  tell('a batch of one row, one after the other', median(single));
  const at = (from, count) => Array.from({ length: count }, (_, index) => row(from + index));
  const together = await milliseconds(() => Promise.all(at(1000, 2000).map((one) => writer.batch([one]))));
  tell('batches of one row, given at once', 2000 / (together / 1000), 'rows/s');
  const bulk = await milliseconds(async () => {
    for (let from = 0; from < ROWS; from += 500) await writer.batch(at(from, 500));
  });
  tell('batches of 500 rows, one after the other', ROWS / (bulk / 1000), 'rows/s');
  await writer.close();
  await opening(`${ROWS} rows, closed well`, () => undefined);
  await opening(`${ROWS} rows, after kill -9`, crash);
} finally {
  if (child === undefined && existsSync(directory)) rmSync(directory, { recursive: true });
}
