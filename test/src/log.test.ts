import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import test from 'ava';
import { createLog, errorFields, type Log, type LogOptions } from '../../src/log.js';
import { observe } from '../../src/observer.js';
import { Statistics } from '../../src/statistics.js';
import { CasError } from '../../store/errors.js';

/** Moves the cursor, breaks the line, turns its direction. */
const HOSTILE = 'a\nb\u001b[2Jc\u202ed\u2028e';

/** What `use` logs, as text. */
function logged(options: LogOptions, use: (log: Log) => void): string {
  const directory = mkdtempSync(path.join(os.tmpdir(), 'cas-mount-log-'));
  const file = path.join(directory, 'log');
  const fd = openSync(file, 'a');
  try {
    use(createLog(fd, options));
    return readFileSync(file, 'utf8');
  } finally {
    closeSync(fd);
    rmSync(directory, { recursive: true });
  }
}

for (const format of ['json', 'pretty'] as const) {
  test(`a hostile name stays one line of printable characters in a ${format} log`, (t) => {
    const text = logged({ level: 'info', format }, (log) => {
      log.info({ ref: HOSTILE, nested: [{ path: HOSTILE }] }, 'event');
      log.info({ ref: 'x'.repeat(5000) }, 'event');
    });
    t.is(text.match(/\n/g)?.length, 2);
    t.notRegex(text.replaceAll('\n', ''), /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u);
    t.true(text.includes('202e'));
    for (const line of text.trimEnd().split('\n')) t.true(line.length < 600);
  });
}

test('a line of the JSON log has its time, level, process and message', (t) => {
  const text = logged({ level: 'info', format: 'json' }, (log) => log.warn({ count: 3 }, 'event'));
  const line = JSON.parse(text) as Record<string, unknown>;
  t.like(line, { level: 'warn', pid: process.pid, msg: 'event', count: 3 });
  t.regex(String(line['time']), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
});

test('a line of the pretty log is for a person', (t) => {
  const text = logged({ level: 'info', format: 'pretty' }, (log) =>
    log.info({ mountpoint: '/mnt/cas', note: 'two words' }, 'mounted'),
  );
  t.regex(text, /^\d\d:\d\d:\d\d\.\d{3} INFO {2}mounted mountpoint=\/mnt\/cas note="two words"\n$/);
});

test('a full disk costs the line and nothing else', (t) => {
  const fd = openSync('/dev/full', 'a');
  t.notThrows(() => createLog(fd, { level: 'info', format: 'json' }).info({}, 'event'));
  closeSync(fd);
});

test('an error is logged with its code, errno, subject, and what was expected and found', (t) => {
  const error = new CasError('DIGEST_MISMATCH', { subject: 'x', expected: 'sha256:1', found: 'sha256:2' });
  t.like(errorFields(error), {
    code: 'DIGEST_MISMATCH',
    errno: 'EBADMSG',
    subject: 'x',
    expected: 'sha256:1',
    found: 'sha256:2',
  });
});

test('wrong content and a failing disk are logged by default, a missing name is not', (t) => {
  const text = logged({ level: 'info', format: 'json' }, (log) => {
    const observer = observe(new Statistics(), log);
    observer.answered('RENAME', 74, 1, new CasError('DIGEST_MISMATCH', { subject: 'x' }));
    observer.answered(
      'WRITE',
      28,
      1,
      Object.assign(new Error('no space'), { code: 'ENOSPC', errno: -28, syscall: 'write' }),
    );
    observer.answered(
      'LOOKUP',
      2,
      1,
      Object.assign(new Error('absent'), { code: 'ENOENT', errno: -2, syscall: 'open' }),
    );
  });
  const lines = text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  t.deepEqual(
    lines.map(({ level, operation, errno }) => [level, operation, errno]),
    [
      ['warn', 'RENAME', 'EBADMSG'],
      ['error', 'WRITE', 'ENOSPC'],
    ],
  );
});
