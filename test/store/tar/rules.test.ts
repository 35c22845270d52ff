import test from 'ava';
import { isCasError, type ErrorCode } from '../../../store/errors.js';
import type { TarEntry } from '../../../store/tar/entry.js';
import type { TarLimits } from '../../../store/tar/limits.js';
import { body, file, header, pax, take, tar, type Fields } from './tars.js';

/*
 * What is expected here is what Go 1.19's archive/tar does with the same bytes, unless a test says otherwise.
 */

function entries(...parts: Buffer[]): TarEntry[] {
  return take(tar(...parts)).entries.map(({ entry }) => entry);
}

function names(...parts: Buffer[]): string[] {
  return entries(...parts).map(({ name }) => name);
}

function only(...parts: Buffer[]): TarEntry {
  const [entry] = entries(...parts);
  if (!entry) throw new Error('no entry');
  return entry;
}

/** The code of the error that a tar is refused with; undefined where it is taken. */
function refusal(bytes: Buffer, limits?: Partial<TarLimits>): ErrorCode | undefined {
  try {
    take(bytes, [1000], limits);
    return undefined;
  } catch (error) {
    if (isCasError(error, 'LAYER_INVALID') || isCasError(error, 'LAYER_TOO_LARGE')) return error.code;
    throw error;
  }
}

const ZEROS = Buffer.alloc(512);

test('A tar ends with two zero blocks, with one, or with nothing', (t) => {
  const one = file({}, 'text');
  for (const end of [Buffer.alloc(0), ZEROS, Buffer.alloc(1024), Buffer.alloc(10_240)]) {
    const bytes = Buffer.concat([one, end]);
    const taken = take(bytes);
    t.is(taken.entries.length, 1);
    t.deepEqual(taken.bytes, bytes);
  }
  t.is(refusal(Buffer.alloc(0)), undefined);
});

test('What follows the end is kept and not read', (t) => {
  const bytes = Buffer.concat([tar(file({}, 'text')), file({ name: 'b' }, 'more'), Buffer.from('junk')]);
  const taken = take(bytes, [100]);
  t.deepEqual(
    taken.entries.map(({ entry }) => entry.name),
    ['a'],
  );
  t.deepEqual(taken.bytes, bytes);
});

test('A header after one zero block is refused', (t) => {
  t.is(refusal(Buffer.concat([ZEROS, file({})])), 'LAYER_INVALID');
});

test('A tar may end in padding, but not in a header, in its body or in data', (t) => {
  const bytes = Buffer.concat([pax({ path: 'name' }), file({}, 'text')]);
  const data = 3 * 512;
  for (const cut of [1, 511, 512, 520, 1025, data - 1, data, data + 3]) {
    t.is(refusal(bytes.subarray(0, cut)), 'LAYER_INVALID', `cut at ${cut}`);
  }
  // Here a header ends that extends nothing.
  for (const cut of [600, 1024, data + 4, data + 5, data + 511]) {
    const part = bytes.subarray(0, cut);
    t.deepEqual(take(part).bytes, part, `cut at ${cut}`);
  }
  t.is(refusal(Buffer.concat([ZEROS, ZEROS.subarray(1)])), 'LAYER_INVALID');
});

test('Links, devices, directories and pipes have no data, whatever size they declare', (t) => {
  const types = ['1', '2', '3', '4', '5', '6'];
  const parts = types.map((type) => header({ name: `n${type}`, type, size: 5000, link: 'target' }));
  const taken = take(tar(...parts, file({ name: 'z' }, 'data')));
  t.deepEqual(
    taken.entries.map(({ entry, declared }) => [entry.name, entry.type, entry.size, entry.stored, declared]),
    [
      ['n1', 'link', 0, 0, 5000],
      ['n2', 'symlink', 0, 0, 5000],
      ['n3', 'character', 0, 0, 5000],
      ['n4', 'block', 0, 0, 5000],
      ['n5', 'directory', 0, 0, 5000],
      ['n6', 'fifo', 0, 0, 5000],
      ['z', 'file', 4, 4, 4],
    ],
  );
});

test('A trailing slash makes a directory of type NUL alone', (t) => {
  t.is(only(header({ name: 'd/', type: '\0', size: 100 })).type, 'directory');
  t.is(only(pax({ path: 'd/' }), header({ name: 'a', type: '\0' })).type, 'directory');
  t.is(only(file({ name: 'd/', type: '0' }, 'text')).type, 'file');
  t.is(refusal(tar(header({ name: 'd/', type: '\0', size: '\xff'.repeat(12) }))), 'LAYER_INVALID');
});

test('A contiguous file, which POSIX has as type 7, is a file', (t) => {
  const entry = only(file({ type: '7' }, 'text'));
  t.deepEqual([entry.type, entry.stored], ['file', 4]);
});

test('Types that no layer can have are refused', (t) => {
  for (const type of ['V', 'M', 'D', 'A', 'N', 'X', 'I', '8', '\xff']) {
    t.is(refusal(tar(file({ type }))), 'LAYER_INVALID', type);
  }
});

test('The size of a pax header beats that of the header, for the file alone', (t) => {
  const hidden = file({ name: 'hidden' });
  const parts = [
    pax({ size: '512' }),
    header({ name: 'a', size: 0 }),
    hidden.subarray(0, 512),
    file({ name: 'b' }),
  ];
  t.deepEqual(names(...parts), ['a', 'b']);
  // The L header between them has its own size.
  const long = file({ name: '././@LongLink', type: 'L' }, 'long\0');
  t.deepEqual(names(pax({ size: '4' }), long, header({ size: 0 }), body('text')), ['long']);
});

test('Names come from L, then from pax, then from the header', (t) => {
  const long = file({ name: '././@LongLink', type: 'L' }, 'from L\0');
  const link = file({ name: '././@LongLink', type: 'K' }, 'to K\0');
  const records = pax({ path: 'from pax', linkpath: 'to pax' });
  const last = header({ name: 'own', type: '2', link: 'to own' });
  const found = (...parts: Buffer[]): string[] => {
    const { name, linkName } = only(...parts, last);
    return [name, linkName];
  };
  t.deepEqual(found(), ['own', 'to own']);
  t.deepEqual(found(records), ['from pax', 'to pax']);
  t.deepEqual(found(records, long, link), ['from L', 'to K']);
  t.deepEqual(found(long, link, records), ['from L', 'to K']);
  t.deepEqual(found(file({ type: 'L' }, '\0'), records), ['from pax', 'to pax']);
});

test('A second pax header replaces the first; an empty record leaves what the header has', (t) => {
  const entry = only(pax({ path: 'first', mtime: '5' }), pax({ path: 'second' }), header({ mtime: '7' }));
  t.deepEqual([entry.name, entry.mtime.seconds], ['second', 7]);
  t.is(only(pax({ path: '' }), header({ name: 'own' })).name, 'own');
});

test('A global header applies to nothing, and ends what stands before it', (t) => {
  const taken = take(tar(pax({ path: 'x' }), pax({ path: 'glob', uid: '5' }, 'g'), header({ name: 'own' })));
  t.deepEqual(taken.globals, ['glob']);
  t.deepEqual(
    taken.entries.map(({ entry }) => [entry.name, entry.uid]),
    [['own', 0]],
  );
});

test('Times of pax have nanoseconds and may be negative', (t) => {
  const times: [string, number, number][] = [
    ['1350244992.023960108', 1350244992, 23960108],
    ['1.9999999999', 1, 999999999],
    ['5.', 5, 0],
    ['-1', -1, 0],
    ['-1.5', -2, 500000000],
    ['-0.25', -1, 750000000],
    ['-0', 0, 0],
  ];
  for (const [text, seconds, nanoseconds] of times) {
    t.deepEqual(only(pax({ mtime: text }), header({})).mtime, { seconds, nanoseconds }, text);
  }
  for (const text of ['x', '.5', '1.x', '1.-5', '99999999999999999999']) {
    t.is(refusal(tar(pax({ mtime: text }), header({}))), 'LAYER_INVALID', text);
  }
});

test('Numbers are octal or base-256', (t) => {
  // Bytes of Python's tarfile: itn(n, 12, GNU_FORMAT).
  const mtimes: [string, number][] = [
    ['00000000017', 15],
    [' 17 \0', 15],
    ['\x00\x00 17', 15],
    ['17\0junk', 15],
    ['', 0],
    ['\x80\0\0\0\0\0\0\0\0\0\x01\0', 256],
    ['\x80\0\0\0\0\0\0\x02\0\0\0\0', 8589934592],
    ['\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff', -1],
    ['\xff\xff\xff\xff\xff\xff\xff\xff\xed\x30\x5f\x80', -315596928],
  ];
  for (const [mtime, seconds] of mtimes) {
    const block = header({ mtime: mtime.padEnd(12, '\0') });
    t.is(only(block).mtime.seconds, seconds, JSON.stringify(mtime));
  }
  for (const mtime of ['18', '1 7', '-17', '+17', '0x1', '\xb0'.repeat(12)]) {
    t.is(refusal(tar(header({ mtime: mtime.padEnd(12, '\0') }))), 'LAYER_INVALID', mtime);
  }
});

test('A size must be a number that is not negative', (t) => {
  for (const size of ['12x45', '-1', '\xff'.repeat(12)]) {
    t.is(refusal(tar(header({ size: size.padEnd(12, '\0') }))), 'LAYER_INVALID', size);
  }
  t.is(refusal(tar(pax({ size: '-1' }), header({}))), 'LAYER_INVALID');
  t.is(refusal(tar(pax({ size: '1x' }), header({}))), 'LAYER_INVALID');
  t.is(refusal(tar(pax({ size: '9007199254740992' }), header({}))), 'LAYER_TOO_LARGE');
});

test('Owners are 32 bits: others would wrap to root', (t) => {
  const max = only(pax({ uid: '4294967295', gid: '4294967295' }), header({}));
  t.deepEqual([max.uid, max.gid], [4294967295, 4294967295]);
  for (const id of ['4294967296', '-1', '9223372036854775807', '1e3', '99999999999999999999']) {
    t.is(refusal(tar(pax({ uid: id }), header({}))), 'LAYER_INVALID', id);
    t.is(refusal(tar(pax({ gid: id }), header({}))), 'LAYER_INVALID', id);
  }
  t.is(refusal(tar(header({ uid: '\xff'.repeat(8) }))), 'LAYER_INVALID');
  t.is(refusal(tar(header({ uid: '\x80\0\0\x01\0\0\0\0' }))), 'LAYER_INVALID');
});

test('Malformed pax records are refused', (t) => {
  const bodies = [
    '6 a=b', // no newline
    '7 a=b\n', // too long
    '5 a=b\n', // too short
    '6 abc\n', // no equals sign
    '6 =bc\n', // no key
    'x a=b\n',
    ' a=b\n',
    '-6 a=b\n',
    '99999999999999999999999 a=b\n',
    '11 path=a\0\n',
    '9 a\0b=c\n ',
    '\0',
  ];
  for (const text of bodies) {
    t.is(refusal(tar(file({ type: 'x' }, text), header({}))), 'LAYER_INVALID', JSON.stringify(text));
    t.is(refusal(tar(file({ type: 'g' }, text), header({}))), 'LAYER_INVALID', JSON.stringify(text));
  }
  t.is(refusal(tar(file({ type: 'x' }, ''), header({}))), undefined);
  t.is(refusal(tar(pax({ comment: 'a\0b', 'GNU.other': '=' }), header({}))), undefined);
});

test('Extended attributes keep their bytes and their order', (t) => {
  const records = {
    'SCHILY.xattr.security.capability': '\x01\0\0\x02\x80\xff\0\n',
    'SCHILY.xattr.user.b': '',
    'SCHILY.xattr.user.a': 'x=y',
    'LIBARCHIVE.xattr.user.c': 'x',
  };
  t.deepEqual(only(pax(records), header({})).xattrs, [
    ['security.capability', Buffer.from([1, 0, 0, 2, 0x80, 0xff, 0, 10])],
    ['user.b', Buffer.alloc(0)],
    ['user.a', Buffer.from('x=y')],
  ]);
});

test('Device numbers come from the header or from star-like records', (t) => {
  const device = header({ type: '3', major: '0000010', minor: '0000003' });
  const own = only(device);
  t.deepEqual([own.type, own.major, own.minor], ['character', 8, 3]);
  const records = only(pax({ 'SCHILY.devmajor': '259', 'SCHILY.devminor': '70000' }), device);
  t.deepEqual([records.major, records.minor], [259, 70000]);
  t.is(refusal(tar(pax({ 'SCHILY.devmajor': '-1' }), device)), 'LAYER_INVALID');
});

test('Each format has its own place for the rest of a name', (t) => {
  const gnu = { magic: 'ustar  \0' };
  const forms: [Fields, string][] = [
    [{ prefix: 'dir' }, 'dir/a'],
    [{ prefix: 'd'.repeat(155), name: 'n'.repeat(100) }, `${'d'.repeat(155)}/${'n'.repeat(100)}`],
    [{ prefix: 'dir', magic: '\0' }, 'a'],
    // Octal times of GNU tar are no prefix; what is no time was written by Go before 1.8.
    [{ ...gnu, prefix: '14123456701\x0014123456701' }, 'a'],
    [{ ...gnu, prefix: 'old/go' }, 'old/go/a'],
    [{ ...gnu, prefix: '\xe9t\xe9' }, 'a'],
  ];
  for (const [fields, name] of forms) t.is(only(header(fields)).name, name);
});

test('A checksum may be of signed bytes', (t) => {
  t.is(only(header({ name: 'caf\xe9', signed: true })).name, 'caf\xe9');
  const wrong = header({});
  wrong[0] = 0x62;
  t.is(refusal(tar(wrong)), 'LAYER_INVALID');
});

test('Modes keep the set-id and sticky bits, and no type of file', (t) => {
  t.is(only(header({ mode: '0107755' })).mode, 0o7755);
});

test('Limits bound entries, extended headers, and all headers of one entry', (t) => {
  const two = tar(file({}), file({ name: 'b' }));
  t.is(refusal(two, { entries: 2 }), undefined);
  t.is(refusal(two, { entries: 1 }), 'LAYER_TOO_LARGE');

  const comment = (size: number): Buffer => pax({ comment: 'x'.repeat(size - '1048576 comment=\n'.length) });
  t.is(refusal(tar(comment(1 << 20), header({}))), undefined);
  t.is(refusal(tar(comment((1 << 20) + 1), header({}))), 'LAYER_TOO_LARGE');
  t.is(refusal(tar(...Array<Buffer>(9).fill(comment(1 << 20)), header({}))), 'LAYER_TOO_LARGE');

  const value = pax({ 'SCHILY.xattr.user.a': 'x'.repeat(65_537) });
  t.is(refusal(tar(value, header({}))), 'LAYER_TOO_LARGE');
});

test('An error says where the header stands, and shows names without control characters', (t) => {
  const bytes = tar(file({}, 'text'), pax({ uid: '-1' }), header({ name: 'b\n\x1b[31m' }));
  t.throws(() => take(bytes), {
    message:
      'tar offset 2048, "b\\n\\u001b[31m": the bytes cannot be a layer: expected uid between 0 and 4294967295, found -1',
  });
});
