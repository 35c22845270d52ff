import { constants } from 'node:os';
import { setImmediate } from 'node:timers/promises';
import test from 'ava';
import type { Attr, AttrChanges, DirEntry, Name, Node } from '../../../../fs/node.js';
import { OPCODE } from '../../../../fs/transport/kernel/protocol.js';
import { MemoryDirectory, MemoryFile } from '../../memory-tree.js';
import { bench, names, request, u32, u64 } from './requests.js';

const { ENODATA, ERANGE, EFBIG, ENXIO, EPERM } = constants.errno;

test('an entry is laid out as struct fuse_entry_out', async (t) => {
  const attr: Attr = {
    ino: 0x1_0000_0002,
    mode: 0o100644,
    nlink: 3,
    uid: 4,
    gid: 5,
    rdev: 6,
    size: 0x2_0000_0007,
    blksize: 4096,
    blocks: 8,
    atime: 9_000_000_010n,
    mtime: -1n,
    ctime: 11_000_000_012n,
  };
  const file = new (class extends MemoryFile {
    override attr = () => attr;
  })();
  file.validity = { entry: 1.5, attr: Infinity };
  const { dispatcher, sent } = bench(t, new MemoryDirectory({ file }));
  dispatcher.dispatch(request(OPCODE.LOOKUP, 2, 1, names('file')));
  await setImmediate();
  const entry = u64(2, 0, 1, 2 ** 31);
  const times = Buffer.concat([u64(9), Buffer.alloc(8, 0xff), u64(11), u32(10, 999_999_999, 12)]);
  const expected = [
    entry,
    u32(500_000_000, 0),
    u64(attr.ino, attr.size, 8),
    times,
    u32(attr.mode, 3, 4, 5, 6, 4096, 0),
  ];
  t.deepEqual(sent()[0]?.payload, Buffer.concat(expected));
});

test('an absence that may be remembered is an entry with node 0', async (t) => {
  const root = new MemoryDirectory();
  root.absence = 2.25;
  const { dispatcher, sent } = bench(t, root);
  dispatcher.dispatch(request(OPCODE.LOOKUP, 2, 1, names('none')));
  await setImmediate();
  const expected = Buffer.concat([u64(0, 0, 2, 0), u32(250_000_000, 0), Buffer.alloc(88)]);
  t.deepEqual(sent(), [{ error: 0, unique: 2, payload: expected }]);
});

test('setattr changes what it names and nothing else', async (t) => {
  const changed: AttrChanges[] = [];
  const root = new (class extends MemoryDirectory {
    override setattr(changes: AttrChanges): void {
      changed.push(changes);
    }
  })();
  const { dispatcher } = bench(t, root);
  const body = (valid: number): Buffer =>
    Buffer.concat([
      u32(valid, 0),
      u64(0, 77, 0),
      Buffer.alloc(8, 0xff),
      u64(5, 6),
      u32(1, 2, 3, 0o100640, 0, 8, 9, 0),
    ]);
  for (const bit of [0, 1, 2, 3, 4, 5]) dispatcher.dispatch(request(OPCODE.SETATTR, 2, 1, body(1 << bit)));
  dispatcher.dispatch(request(OPCODE.SETATTR, 2, 1, body((1 << 4) | (1 << 5) | (1 << 7) | (1 << 8))));
  await setImmediate();
  t.deepEqual(changed, [
    { mode: 0o640 },
    { uid: 8 },
    { gid: 9 },
    { size: 77 },
    { atime: -999_999_999n },
    { mtime: 5_000_000_002n },
    { atime: 'now', mtime: 'now' },
  ]);
});

test('rename and renameat2 pass their directories, names and flags on', async (t) => {
  const calls: unknown[] = [];
  const root = new MemoryDirectory();
  root.rename = (name: Name, to: Node, toName: Name, flags: number) => {
    calls.push([name, to, toName, flags]);
  };
  const { dispatcher } = bench(t, root);
  dispatcher.dispatch(request(OPCODE.RENAME, 2, 1, u64(1), names('a', 'b')));
  dispatcher.dispatch(request(OPCODE.RENAME2, 4, 1, u64(1), u32(2, 0), names('c', 'd')));
  await setImmediate();
  t.deepEqual(calls, [
    ['a', root, 'b', 0],
    ['c', root, 'd', 2],
  ]);
});

test('names keep any bytes', async (t) => {
  const root = new MemoryDirectory();
  const { dispatcher, sent } = bench(t, root);
  const bytes = Buffer.from(Array.from({ length: 255 }, (_, index) => index + 1)).filter(
    (byte) => byte !== 0x2f,
  );
  dispatcher.dispatch(request(OPCODE.MKDIR, 2, 1, u32(0o755, 0o22), Buffer.from(bytes), Buffer.alloc(1)));
  await setImmediate();
  t.is(sent()[0]?.error, 0);
  const [name] = root.children.keys();
  t.deepEqual(Buffer.from(name ?? '', 'latin1'), Buffer.from(bytes));
});

test('extended attributes: the size is told for a size of 0, and ERANGE for one that is too small', async (t) => {
  const root = new MemoryDirectory();
  root.setxattr('user.a', Buffer.from('value'));
  root.setxattr('user.bc', Buffer.from(''));
  const { dispatcher, sent } = bench(t, root);
  for (const size of [0, 4, 5]) {
    dispatcher.dispatch(request(OPCODE.GETXATTR, 2, 1, u32(size, 0), names('user.a')));
    dispatcher.dispatch(request(OPCODE.LISTXATTR, 4, 1, u32(size * 3, 0)));
  }
  dispatcher.dispatch(request(OPCODE.GETXATTR, 2, 1, u32(0, 0), names('user.none')));
  await setImmediate();
  const told = (unique: number): unknown[] =>
    sent()
      .filter((message) => message.unique === unique)
      .map(({ error, payload }) => (error < 0 ? -error : payload));
  t.deepEqual(told(2), [u32(5, 0), ERANGE, Buffer.from('value'), ENODATA]);
  t.deepEqual(told(4), [u32(15, 0), ERANGE, names('user.a', 'user.bc')]);
});

test('SEEK_DATA and SEEK_HOLE of a file that cannot tell: all of it is data', async (t) => {
  const { dispatcher, filesystem, sent } = bench(t, new MemoryDirectory({ file: new MemoryFile('12345') }));
  const caller = request(OPCODE.LOOKUP, 2, 1);
  const { id } = await filesystem.lookup(1, 'file' as Name, caller);
  const { handle } = await filesystem.open(id, 0, caller);
  const SEEK_DATA = 3;
  const SEEK_HOLE = 4;
  for (const [offset, whence] of [
    [2, SEEK_DATA],
    [2, SEEK_HOLE],
    [5, SEEK_DATA],
    [2 ** 60, SEEK_HOLE],
  ] as const) {
    dispatcher.dispatch(request(OPCODE.LSEEK, offset, id, u64(handle, offset), u32(whence, 0)));
    await setImmediate();
  }
  t.deepEqual(
    sent().map(({ error, payload }) => (error < 0 ? -error : payload)),
    [u64(2), u64(5), ENXIO, ENXIO],
  );
});

test('an offset that no number holds is refused with EFBIG', (t) => {
  const { dispatcher, sent } = bench(t, new MemoryDirectory());
  dispatcher.dispatch(
    request(OPCODE.WRITE, 2, 1, u64(1, 2 ** 62), u32(1, 0), u64(0), u32(0, 0), Buffer.alloc(1)),
  );
  t.is(sent()[0]?.error, -EFBIG);
});

test('mknod makes regular files and leaves none open', async (t) => {
  const { dispatcher, filesystem, sent } = bench(t, new MemoryDirectory());
  dispatcher.dispatch(request(OPCODE.MKNOD, 2, 1, u32(0o100600, 0, 0, 0), names('file')));
  dispatcher.dispatch(request(OPCODE.MKNOD, 4, 1, u32(0o010600, 0, 0, 0), names('pipe')));
  await setImmediate();
  t.deepEqual(
    sent()
      .sort((one, other) => one.unique - other.unique)
      .map(({ error }) => Math.abs(error)),
    [0, EPERM],
  );
  t.is(filesystem.files.size, 0);
});

/** Lists names that are gone by the time they are looked up, before those that stay. */
class Vanishing extends MemoryDirectory {
  override *entries(): Iterable<readonly DirEntry[]> {
    for (let index = 0; index < 300; index++) {
      yield [{ name: `gone-${index}` as Name, ino: 1_000_000 + index, type: 0o100000 }];
    }
    yield* super.entries();
  }
}

test('READDIRPLUS leaves out what has vanished and goes on, and each entry counts as a lookup', async (t) => {
  const { dispatcher, filesystem, sent } = bench(t, new Vanishing({ stays: new MemoryFile('12345') }));
  const handle = filesystem.opendir(1);
  const read = async (offset: number): Promise<Buffer> => {
    dispatcher.dispatch(
      request(OPCODE.READDIRPLUS, 2, 1, u64(handle, offset), u32(1024, 0), u64(0), u32(0, 0)),
    );
    await setImmediate();
    return sent().at(-1)?.payload ?? Buffer.alloc(0);
  };
  const dots = await read(0);
  t.deepEqual(
    [dots.subarray(128 + 24, 128 + 25), dots.subarray(160 + 128 + 24, 160 + 128 + 26)].map(String),
    ['.', '..'],
  );
  const found = await read(2);
  t.is(found.length, 128 + 24 + 8);
  t.is(found.subarray(128 + 24, 128 + 29).toString(), 'stays');
  t.is(found.readBigUInt64LE(128 + 8), 303n);
  t.is(filesystem.inodes.size, 2);
  t.is((await read(303)).length, 0);
  dispatcher.dispatch(request(OPCODE.FORGET, 0, Number(found.readBigUInt64LE(0)), u64(1)));
  t.is(filesystem.inodes.size, 1);
});
