import fs from 'node:fs';
import { join } from 'node:path';
import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { isDeepStrictEqual } from 'node:util';
import test from 'ava';
import fc from 'fast-check';
import { extract, pack } from 'tar-stream';
import { decodeEntry, paddingAfter } from '../../../store/tar/decode.js';
import type { TarEntry } from '../../../store/tar/entry.js';
import { propertySettings } from '../../helpers/properties.js';
import { temporaryDirectory } from '../../helpers/temporary.js';
import { gnuTar, output, take, type Taken } from './tars.js';
import { makeTree } from './tree.js';

/** Lists tars as Python's tarfile reads them; names in hex, times as text where pax has them. */
const LIST = `
import hashlib, json, sys, tarfile
kinds = {b'0': 'file', b'7': 'file', b'\\0': 'file', b'S': 'file', b'1': 'link', b'2': 'symlink', b'3': 'character',
         b'4': 'block', b'5': 'directory', b'6': 'fifo'}
text = lambda name: name.encode('utf-8', 'surrogateescape').hex()
def entries(path):
    with tarfile.open(path, encoding='utf-8', errors='surrogateescape') as tar:
        for m in tar:
            data = tar.extractfile(m).read() if m.isreg() else b''
            link = m.linkname if m.type in (b'1', b'2') else ''
            yield [kinds[m.type], text(m.name), text(link), m.mode & 0o7777, m.uid, m.gid,
                   m.pax_headers.get('mtime', str(int(m.mtime))), len(data), hashlib.sha256(data).hexdigest()]
json.dump([list(entries(path)) for path in sys.argv[1:]], sys.stdout)
`;

type Listed = [string, string, string, number, number, number, string, number, string];

const hex = (text: string): string => Buffer.from(text, 'latin1').toString('hex');

function listed({ entry, data }: Taken['entries'][number]): Listed {
  const { type, name, linkName, mode, uid, gid, size } = entry;
  const digest = createHash('sha256').update(logical(entry, data)).digest('hex');
  const shown = type === 'directory' ? name.replace(/\/+$/, '') : name;
  return [type, hex(shown), hex(linkName), mode, uid, gid, timeText(entry), size, digest];
}

/** As GNU tar writes a time in a pax record. */
function timeText({ mtime: { seconds, nanoseconds } }: TarEntry): string {
  if (nanoseconds === 0) return String(seconds);
  const digits = (value: number): string => String(value).padStart(9, '0').replace(/0+$/, '');
  return seconds < 0
    ? `${seconds === -1 ? '-0' : seconds + 1}.${digits(1_000_000_000 - nanoseconds)}`
    : `${seconds}.${digits(nanoseconds)}`;
}

/** The bytes of a file, holes filled. */
function logical(entry: TarEntry, data: Buffer): Buffer {
  if (!entry.sparse) return data;
  const bytes = Buffer.alloc(entry.size);
  let at = 0;
  for (const { offset, length } of entry.sparse) {
    data.copy(bytes, offset, at, at + length);
    at += length;
  }
  return bytes;
}

function pythonLists(directory: string, tars: readonly Buffer[]): Listed[][] {
  const paths = tars.map((tar, i) => {
    const path = join(directory, `${i}.tar`);
    fs.writeFileSync(path, tar);
    return path;
  });
  return JSON.parse(output('python3', ['-c', LIST, ...paths], directory).toString()) as Listed[][];
}

test('What GNU tar writes in any format is read as Python reads it', (t) => {
  const directory = temporaryDirectory(t);
  const root = join(directory, 'root');
  fs.mkdirSync(root);
  makeTree(root);
  const narrow = ['block', 'big', 'symlink', 'caf\u00e9', 'new\nline'];
  const tars = [
    ['--format=v7', ...narrow],
    ['--format=ustar', ...narrow],
    ['--format=oldgnu', '.'],
    ['--format=gnu', '--group=4000000000', '.'],
    ['--format=posix', '--group=4000000000', '.'],
  ].map((options) => gnuTar(root, ['--owner=1234567', ...options]));
  const lists = pythonLists(directory, tars);
  for (const [i, tar] of tars.entries()) {
    const taken = take(tar, [10_000]);
    t.true(taken.entries.length >= narrow.length);
    t.true(taken.bytes.equals(tar));
    t.deepEqual(taken.entries.map(listed), lists[i]);
  }
});

test('Sparse files of GNU tar in any format are read as Python reads them', (t) => {
  const directory = temporaryDirectory(t);
  const root = join(directory, 'root');
  fs.mkdirSync(root);
  fs.writeFileSync(join(root, 'holes only'), '');
  fs.truncateSync(join(root, 'holes only'), 1 << 20);
  const fd = fs.openSync(join(root, 'many ranges'), 'w');
  for (let i = 0; i < 120; i++) fs.writeSync(fd, `data ${i}`, i * 16_384);
  fs.ftruncateSync(fd, 3 << 20);
  fs.closeSync(fd);
  fs.writeFileSync(join(root, 'none'), 'no holes');
  const tars = [
    ['--format=gnu'],
    ['--format=posix', '--sparse-version=0.0'],
    ['--format=posix', '--sparse-version=0.1'],
    ['--format=posix', '--sparse-version=1.0'],
  ].map((options) => gnuTar(root, [...options, '--sparse', '.']));
  const lists = pythonLists(directory, tars);
  for (const [i, tar] of tars.entries()) {
    const taken = take(tar, [700]);
    t.true(taken.bytes.equals(tar));
    t.deepEqual(taken.entries.map(listed), lists[i]);
    const many = taken.entries.find(({ entry }) => entry.name.endsWith('many ranges'));
    t.is(many?.entry.sparse?.length, 120);
    const holes = taken.entries.find(({ entry }) => entry.name.endsWith('holes only'));
    t.deepEqual([holes?.entry.stored, holes?.entry.sparse], [0, []]);
    decodesAgain(t, taken);
  }
});

/** Checks that the raw bytes of each entry are enough to decode it again. */
function decodesAgain(t: { deepEqual(actual: unknown, expected: unknown): unknown }, taken: Taken): void {
  let skip = 0;
  for (const { entry, raw } of taken.entries) {
    t.deepEqual(decodeEntry(raw, skip), entry);
    skip = paddingAfter(entry.stored);
  }
}

test('Extended attributes are read as GNU tar stored them', (t) => {
  const root = temporaryDirectory(t);
  fs.writeFileSync(join(root, 'a'), 'text');
  output('setfattr', ['-n', 'user.binary', '-v', '0x00ff800a3d', 'a'], root);
  output('setfattr', ['-n', 'user.text', '-v', 'value', 'a'], root);
  const [taken] = take(gnuTar(root, ['--format=posix', '--xattrs', 'a'])).entries;
  t.deepEqual(
    new Map(taken?.entry.xattrs),
    new Map([
      ['user.binary', Buffer.from('00ff800a3d', 'hex')],
      ['user.text', Buffer.from('value')],
    ]),
  );
});

test('tar-stream reads the same entries, and what it writes is read', async (t) => {
  const packed = pack();
  packed.entry({ name: 'dir', type: 'directory', mode: 0o1777, uid: 5 });
  packed.entry({ name: `long/${'n'.repeat(300)}`, mtime: new Date(1_600_000_000_000) }, 'text');
  packed.entry({ name: 'caf\u00e9', gid: 7, pax: { comment: 'x' } }, 'x'.repeat(1024));
  packed.entry({ name: 'link', type: 'link', linkname: 'l'.repeat(200) });
  packed.entry({ name: 'null', type: 'character-device', devmajor: 1, devminor: 3 });
  packed.finalize();
  const tar = await buffer(packed as AsyncIterable<Buffer>);

  const expected: unknown[] = [];
  const names = { 'character-device': 'character', file: 'file', directory: 'directory', link: 'link' };
  for await (const entry of Readable.from([tar]).pipe(extract())) {
    const { name, type, mode, uid, gid, size, devmajor, devminor, mtime } = entry.header;
    // Its types do not know that a header may have none.
    const { linkname } = entry.header as { linkname: string | null };
    const data = await buffer(entry as AsyncIterable<Buffer>);
    const kind = Object.entries(names).find(([key]) => key === type)?.[1];
    const bytes = (text: string): string => Buffer.from(text).toString('latin1');
    const seconds = Math.floor(mtime.getTime() / 1000);
    const device = kind === 'character' ? [devmajor, devminor] : [0, 0];
    expected.push([kind, bytes(name), bytes(linkname ?? ''), mode, uid, gid, size, seconds, ...device, data]);
  }
  const taken = take(tar, [333]);
  t.is(taken.entries.length, 5);
  t.deepEqual(
    taken.entries.map(({ entry: e, data }) => {
      const name = e.type === 'directory' ? e.name.replace(/\/$/, '') : e.name;
      return [
        e.type,
        name,
        e.linkName,
        e.mode,
        e.uid,
        e.gid,
        e.size,
        e.mtime.seconds,
        e.major,
        e.minor,
        data,
      ];
    }),
    expected,
  );
});

test('It makes no difference how a tar is cut into chunks', (t) => {
  const directory = temporaryDirectory(t);
  makeTree(directory);
  fs.truncateSync(join(directory, 'big'), 3000);
  const tars = ['gnu', 'posix'].map((format) => gnuTar(directory, [`--format=${format}`, '.']));
  const wholes = tars.map((tar) => take(tar, [tar.length]));
  for (const whole of wholes) decodesAgain(t, whole);
  t.notThrows(() =>
    fc.assert(
      fc.property(
        fc.nat(tars.length - 1),
        fc.array(fc.oneof(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 1, max: 3000 })), {
          minLength: 1,
          maxLength: 30,
        }),
        (which, sizes) => {
          const taken = take(tars[which] ?? Buffer.alloc(0), sizes);
          if (!isDeepStrictEqual(taken, wholes[which])) throw new Error('it is read as something else');
        },
      ),
      propertySettings(t, 60),
    ),
  );
});
