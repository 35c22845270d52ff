import fs from 'node:fs';
import { type FileHandle, mkdir, open, readdir, rename, rm, stat, unlink } from 'node:fs/promises';
import test from 'ava';
import { Mount } from '../e2e/mount.js';
import { type Check, checkOf, type Rules, suite } from '../e2e/suite.js';
import { errnoFrom } from '../helpers/errno.js';
import { run, Site, until } from '../src/process/site.js';
import { LIMIT, VARIANTS } from './form.js';

const { O_CREAT, O_EXCL, O_WRONLY } = fs.constants;
const [DOT, SLASH, ZERO, NINE, DELETE] = [0x2e, 0x2f, 0x30, 0x39, 0x7f];
/** All bytes that a name can have. */
const BYTES = Array.from({ length: 255 }, (_, index) => index + 1).filter((byte) => byte !== SLASH);
const HEX = '0123456789abcdef'.repeat(4);

/** A path in the mount: text, or bytes as they are. */
function at({ mount }: Pick<Check, 'mount'>, ...parts: (string | readonly number[])[]): Buffer {
  const bytes = parts.map((part) => (typeof part === 'string' ? Buffer.from(part) : Buffer.from(part)));
  return Buffer.concat([Buffer.from(`${mount.mountpoint}/`), ...bytes]);
}

function make(path: fs.PathLike): Promise<string> {
  return errnoFrom(async () => (await open(path, O_WRONLY | O_CREAT | O_EXCL)).close());
}

/** What docs/SEMANTICS.md says of a name with this byte. */
function allowed(byte: number): 'OK' | 'EINVAL' | 'EILSEQ' {
  if (byte < 0x20 || byte === DELETE) return 'EINVAL';
  return byte < 0x80 ? 'OK' : 'EILSEQ';
}

/** Makes each path anew and checks the errno, and that stat then finds it or not. */
async function outcomes(
  { t }: Check,
  paths: readonly { path: Buffer; made: string; absent?: string }[],
): Promise<void> {
  const check = async ({ path, made, absent = 'ENOENT' }: (typeof paths)[number]): Promise<void> => {
    const name = path.toString('latin1');
    t.is(await make(path), made, name);
    t.is(await errnoFrom(() => stat(path)), made === 'OK' ? 'OK' : absent, name);
    if (made === 'OK') await unlink(path);
  };
  await Promise.all(paths.map(check));
}

const rules: Rules = {
  'each byte from 1 to 255 as a whole name is allowed, or refused for what it is': async (check) => {
    const { sh, t } = check;
    await mkdir(at(check, 'ingest/bytes'));
    const paths = BYTES.filter((byte) => byte !== DOT).flatMap((byte) => [
      { path: at(check, 'ingest/bytes/', [byte]), made: allowed(byte) },
      // What is no temporary name, as a number is, can only be meant as a digest.
      { path: at(check, 'blobs/sha256/', [byte]), made: byte >= ZERO && byte <= NINE ? 'OK' : 'EINVAL' },
      { path: at(check, 'blobs/blake3/.', [byte]), made: allowed(byte) },
      { path: at(check, 'blobs/sha512/', [byte], '.tmp'), made: allowed(byte) },
      { path: at(check, 'blobs/', [byte]), made: 'EINVAL' },
    ]);
    await outcomes(check, paths);
    const makeDirectories = async (byte: number): Promise<void> => {
      const path = at(check, 'ingest/bytes/', [byte]);
      t.is(await errnoFrom(() => mkdir(path)), allowed(byte), `mkdir ${byte}`);
      t.is(await errnoFrom(() => mkdir(at(check, 'blobs/', [byte]))), 'EINVAL', `mkdir blobs/ ${byte}`);
    };
    await Promise.all(BYTES.filter((byte) => byte !== DOT).map(makeDirectories));
    await sh('is "$(ls -A ingest/bytes | wc -l)" 93; rmdir ingest/bytes/*; rmdir ingest/bytes');
  },

  'a name is 254 or 255 bytes long and not 256, wherever it stands': async (check) => {
    const { t } = check;
    const tooLong = { made: 'ENAMETOOLONG', absent: 'ENAMETOOLONG' };
    const [wide, packed] = ['é', '\u{1f4e6}'];
    await outcomes(check, [
      ...['ingest/', ''].flatMap((place) => [
        { path: at(check, place, 'x'.repeat(254)), made: 'OK' },
        { path: at(check, place, 'x'.repeat(255)), made: 'OK' },
        { path: at(check, place, 'x'.repeat(256)), ...tooLong },
        { path: at(check, place, wide.repeat(127)), made: 'OK' },
        { path: at(check, place, wide.repeat(127), 'x'), made: 'OK' },
        { path: at(check, place, wide.repeat(128)), ...tooLong },
        { path: at(check, place, packed.repeat(63), 'xyz'), made: 'OK' },
        { path: at(check, place, packed.repeat(64)), ...tooLong },
        // Neither is text, and both are too long.
        { path: at(check, place, Array<number>(255).fill(0xff)), made: 'EILSEQ' },
        { path: at(check, place, Array<number>(256).fill(0xff)), ...tooLong },
      ]),
      { path: at(check, 'blobs/sha256/.', 'x'.repeat(253)), made: 'OK' },
      { path: at(check, 'blobs/sha256/.', 'x'.repeat(254)), made: 'OK' },
      { path: at(check, 'blobs/sha256/.', 'x'.repeat(255)), ...tooLong },
      { path: at(check, 'blobs/sha256/', HEX, '-'.repeat(191)), made: 'OK' },
      { path: at(check, 'blobs/sha256/', HEX, '-'.repeat(192)), ...tooLong },
      { path: at(check, 'blobs/sha256/', 'x'.repeat(255)), made: 'EINVAL' },
      { path: at(check, 'blobs/', 'x'.repeat(256)), ...tooLong },
    ]);
    const short = at(check, 'ingest/short');
    t.is(await make(short), 'OK');
    t.is(await errnoFrom(() => rename(short, at(check, 'ingest/', 'x'.repeat(256)))), 'ENAMETOOLONG');
    t.is(await errnoFrom(() => rename(short, at(check, 'ingest/', 'x'.repeat(255)))), 'OK');
    await unlink(at(check, 'ingest/', 'x'.repeat(255)));
  },

  'names that only Unicode takes for the same, and those of whiteouts, are kept apart, also by a restart':
    async (check) => {
      const { t, mount } = check;
      const names = [
        ...['\u00c5', 'A\u030a', '\u212b', '\uac00', '\u1100\u1161', '\u1e9b\u0323', 'ﬁ', 'fi'],
        ...[
          '.wh.',
          '.wh.x',
          '.wh..wh.x',
          '.wh..wh..opq',
          '.wh..wh..plnk',
          '.WH.x',
          '.wh.\u00e9',
          '.wh.e\u0301',
        ],
        ...['\u0085', '\u009b2J', '\u2028', '\u202e', '\u200b', '\ud83c\udff4\u200d\u2620\ufe0f'],
      ];
      const placed = names.flatMap((name) =>
        name.startsWith('.') ? [`ingest/${name}`, `blobs/sha256/${name}`, name] : [`ingest/${name}`],
      );
      const checkAll = async (): Promise<void> => {
        for (const path of placed) {
          const file = await open(at(check, path));
          t.is(await file.readFile('utf8'), path);
          await file.close();
        }
        t.deepEqual((await readdir(`${mount.mountpoint}/ingest`)).sort(), [...names].sort());
      };
      for (const path of placed) {
        const file = await open(at(check, path), O_WRONLY | O_CREAT | O_EXCL);
        await file.writeFile(path);
        await file.close();
      }
      await checkAll();
      await mount.restart();
      await checkAll();
      for (const path of placed) await unlink(at(check, path));
    },

  'a path below ingest is 4095 bytes long and not 4096, and no renaming makes it longer': async (check) => {
    const { t, mount } = check;
    const top = 'a'.repeat(100);
    const levels = Array.from({ length: 15 }, () => 'd'.repeat(255));
    // 100 bytes and 15 times 256 leave a slash and 154.
    const [last, longer] = ['e'.repeat(154), 'e'.repeat(155)];
    const inside = async (use: (path: string) => Promise<void>): Promise<void> => {
      const opened: FileHandle[] = [];
      let path = `${mount.mountpoint}/ingest/${top}`;
      for (const level of [...levels, '']) {
        const handle = await open(path);
        opened.push(handle);
        // By this way the kernel is never given a path that is too long.
        path = `/proc/self/fd/${handle.fd}/${level}`;
        if (level !== '') await mkdir(path).catch(() => undefined);
      }
      await use(path).finally(() => Promise.all(opened.map((handle) => handle.close())));
    };
    await mkdir(at(check, 'ingest/', top));
    await inside(async (deepest) => {
      t.is(await make(`${deepest}${last}`), 'OK');
      t.is(await make(`${deepest}${longer}`), 'ENAMETOOLONG');
      t.is(await errnoFrom(() => mkdir(`${deepest}${longer}`)), 'ENAMETOOLONG');
      t.is(await errnoFrom(() => rename(`${deepest}${last}`, `${deepest}${longer}`)), 'ENAMETOOLONG');
    });
    const [there, beyond] = [at(check, 'ingest/', top), at(check, 'ingest/', top, 'a')];
    t.is(await errnoFrom(() => rename(there, beyond)), 'ENAMETOOLONG');
    t.is(await errnoFrom(() => stat(beyond)), 'ENOENT');
    await mount.restart();
    await inside(async (deepest) => {
      t.deepEqual(await readdir(deepest), [last]);
      await unlink(`${deepest}${last}`);
    });
    const shorter = at(check, 'ingest/b');
    t.is(await errnoFrom(() => rename(there, shorter)), 'OK');
    await rm(shorter, { recursive: true });
  },
};

suite(VARIANTS, rules);

/** What could break a line, move the cursor, end a string, or be taken for another field. */
const HOSTILE = [
  '\u0085\u009b2J',
  '\u2028\u2029',
  '\u202e\u2066\u200f\ufeff',
  '"}\\',
  '","level":"fatal","msg":"x',
  ' level=fatal error="',
  '\\n\\u000a\\x1b[2J',
  '%s%d%n',
  '__proto__',
  'é'.repeat(127),
  '\u202e'.repeat(85),
];

/** Makes the daemon log names: each refused for itself, and each hostile one at a commit of wrong bytes. */
async function provoke(check: Check): Promise<{ invalid: number; noText: number; mismatches: number }> {
  for (const byte of BYTES) {
    if (byte !== DOT) await make(at(check, 'ingest/', [byte]));
    await make(at(check, 'ingest/a', [byte], 'b\n\x1b[2J'));
  }
  for (const name of HOSTILE) {
    const file = await open(at(check, 'ingest/', name), O_WRONLY | O_CREAT);
    await file.writeFile('x');
    await file.close();
    await errnoFrom(() => rename(at(check, 'ingest/', name), at(check, 'blobs/sha256/', HEX)));
  }
  const noText = BYTES.filter((byte) => byte > DELETE).length;
  const controls = BYTES.filter((byte) => byte < 0x20 || byte === DELETE).length;
  return { invalid: controls + BYTES.length - noText, noText: 2 * noText, mismatches: HOSTILE.length };
}

for (const variant of VARIANTS) {
  for (const format of ['json', 'pretty'] as const) {
    test.serial(`${variant.name}: whatever a name is, it stays in one line of a ${format} log`, async (t) => {
      t.timeout(LIMIT);
      const args = ['--log-level', 'debug', '--log-format', format];
      const mount = await Mount.of(variant, { args });
      t.teardown(() => mount.close());
      const expected = await provoke(checkOf(t, mount));
      await mount.unmount();
      const text = fs.readFileSync(`${mount.site.store}/cas-mount.log`, 'utf8');
      const lines = text.trimEnd().split('\n');
      t.notRegex(text.replaceAll('\n', ''), /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/u);
      for (const line of lines) {
        if (format === 'json') t.is(typeof (JSON.parse(line) as Record<string, unknown>)['msg'], 'string');
        else t.regex(line, /^\d\d:\d\d:\d\d\.\d{3} (DEBUG|INFO |WARN ) [a-z]/);
        t.true(line.length < 2000, line);
      }
      const count = (code: string): number => lines.filter((line) => line.includes(code)).length;
      t.deepEqual(
        {
          invalid: count('REF_INVALID'),
          noText: count('REF_NOT_UTF8'),
          mismatches: count('DIGEST_MISMATCH'),
        },
        expected,
      );
      t.is(count('"level":"fatal"'), 0);
    });
  }

  test.serial(`${variant.name}: a store and a mountpoint may have any name`, async (t) => {
    t.timeout(LIMIT);
    const site = new Site(t);
    const [store, mountpoint] = ['s\n\x1b[2J,\\ é\u202e', 'm\n\x1b[2J,\\ é\u202e'].map((name) =>
      site.path(name),
    );
    if (store === undefined || mountpoint === undefined) throw new Error('unreachable');
    fs.mkdirSync(mountpoint);
    const args = ['--transport', variant.transport, '--root', store, mountpoint];
    t.teardown(() => run('umount', ['-l', mountpoint]));
    const mounted = await site.castMount(args);
    t.is(mounted.code, 0, mounted.stderr);
    const second = await site.castMount(args);
    t.is(second.code, 32);
    t.regex(second.stderr, /^cas-mount: [^\p{Cc}\p{Cf}]*already mounted there\n$/u);
    const { stdout, stderr } = await site.cas(['status', mountpoint]);
    t.notRegex(`${stdout}${stderr}`.replaceAll('\n', ''), /[\p{Cc}\p{Cf}]/u);
    t.is((await run('umount', [mountpoint])).code, 0);
    const read = (): string => fs.readFileSync(`${store}/cas-mount.log`, 'utf8');
    await until('the daemon has ended', () => read().includes('"unmounted"') && read().endsWith('\n'));
    const log = read();
    t.notRegex(log.replaceAll('\n', ''), /[\p{Cc}\p{Cf}]/u);
    for (const line of log.trimEnd().split('\n')) t.notThrows(() => void JSON.parse(line));
  });
}
