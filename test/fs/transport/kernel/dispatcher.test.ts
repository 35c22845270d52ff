import { constants } from 'node:os';
import { setImmediate } from 'node:timers/promises';
import test from 'ava';
import { FsError } from '../../../../fs/errors.js';
import type { Attr, Caller, Name, Node } from '../../../../fs/node.js';
import { OPCODE } from '../../../../fs/transport/kernel/protocol.js';
import { MemoryDirectory, MemoryFile } from '../../memory-tree.js';
import { bench, names, request, u32, u64 } from './requests.js';

const { EINTR, EIO, ENOENT, ENOSYS, ENOTTY, EOPNOTSUPP } = constants.errno;
const GETATTR = u32(0, 0, 0, 0);

/** A directory whose attributes come from `attr`. */
function rootWith(attr: () => Attr | Promise<Attr>): Node {
  return new (class extends MemoryDirectory {
    override attr = attr;
  })();
}

/** What a handler may do, and the errno that its caller gets. */
const OUTCOMES: readonly [title: string, act: () => Attr | Promise<Attr>, errno: number][] = [
  ['throws an error with an errno', () => raise(new FsError('ENOENT')), ENOENT],
  ['rejects with an error with an errno', () => Promise.reject(new FsError('ENOENT')), ENOENT],
  ['throws an error without one', () => raise(new TypeError('defect')), EIO],
  ['rejects with no error at all', () => Promise.resolve().then(() => raise(undefined)), EIO],
  ['throws an object that cannot be looked at', () => raise(hostile()), EIO],
  ['fails with ENOSYS', () => raise(new FsError('ENOSYS')), EOPNOTSUPP],
  ['returns what cannot be encoded', () => ({}) as Attr, EIO],
];

for (const [title, act, errno] of OUTCOMES) {
  test(`a handler that ${title} is answered once`, async (t) => {
    const { dispatcher, sent, answered } = bench(t, rootWith(act));
    dispatcher.dispatch(request(OPCODE.GETATTR, 8, 1, GETATTR));
    await setImmediate();
    t.deepEqual(sent(), [{ error: -errno, unique: 8, payload: Buffer.alloc(0) }]);
    t.deepEqual(answered, [`GETATTR ${errno}`]);
    t.is(dispatcher.pending, 0);
  });
}

test('what comes at once is answered before dispatch returns', (t) => {
  const { dispatcher, sent } = bench(t, new MemoryDirectory());
  dispatcher.dispatch(request(OPCODE.GETATTR, 10, 1, GETATTR));
  t.deepEqual(
    sent().map(({ error, unique, payload }) => [error, unique, payload.length]),
    [[0, 10, 104]],
  );
});

test('requests that are not served are refused with their errno', (t) => {
  const { dispatcher, sent, answered } = bench(t, new MemoryDirectory());
  dispatcher.dispatch(request(999, 2, 1));
  dispatcher.dispatch(request(OPCODE.IOCTL, 4, 1));
  dispatcher.dispatch(request(OPCODE.COPY_FILE_RANGE, 6, 1));
  t.deepEqual(
    sent().map(({ error }) => -error),
    [ENOSYS, ENOTTY, ENOSYS],
  );
  t.deepEqual(answered, [`OPCODE_999 ${ENOSYS}`, `IOCTL ${ENOTTY}`, `COPY_FILE_RANGE ${ENOSYS}`]);
});

test('forgets and interrupts are not answered, even when they fail', (t) => {
  const { dispatcher, sent, defects } = bench(t, new MemoryDirectory());
  dispatcher.dispatch(request(OPCODE.FORGET, 0, 77, u64(1)));
  dispatcher.dispatch(request(OPCODE.INTERRUPT, 3, 0, u64(2)));
  dispatcher.dispatch(request(OPCODE.BATCH_FORGET, 0, 0, u32(2, 0), u64(77, 1, 78, 1)));
  t.deepEqual(sent(), []);
  t.deepEqual(defects, []);
});

test('one node that fails to be forgotten keeps no other from it', async (t) => {
  const failing = new (class extends MemoryFile {
    forgotten(): void {
      throw new Error('defect');
    }
  })();
  const { dispatcher, filesystem, defects } = bench(
    t,
    new MemoryDirectory({ failing, other: new MemoryFile() }),
  );
  const caller = request(OPCODE.LOOKUP, 2, 1);
  const ids = [];
  for (const name of ['failing', 'other']) ids.push((await filesystem.lookup(1, name as Name, caller)).id);
  dispatcher.dispatch(request(OPCODE.BATCH_FORGET, 0, 0, u32(2, 0), u64(...ids.flatMap((id) => [id, 1]))));
  t.is(filesystem.inodes.size, 1);
  t.is(defects.length, 1);
});

test('an interrupt aborts the signal of its request, which is answered once, with EINTR', async (t) => {
  const signals: AbortSignal[] = [];
  const root = new (class extends MemoryDirectory {
    override lookup(_: Name, caller?: Caller): Promise<undefined> {
      return new Promise((_, reject) => {
        if (caller === undefined) return;
        signals.push(caller.signal);
        caller.signal.addEventListener('abort', () => reject(caller.signal.reason as Error));
      });
    }
  })();
  const { dispatcher, sent, defects } = bench(t, root);
  dispatcher.dispatch(request(OPCODE.LOOKUP, 20, 1, names('a')));
  dispatcher.dispatch(request(OPCODE.LOOKUP, 22, 1, names('b')));
  t.true(dispatcher.concerns(1));
  dispatcher.dispatch(request(OPCODE.INTERRUPT, 21, 0, u64(20)));
  dispatcher.dispatch(request(OPCODE.INTERRUPT, 21, 0, u64(20)));
  await setImmediate();
  t.deepEqual(
    signals.map(({ aborted }) => aborted),
    [true, false],
  );
  t.deepEqual(sent(), [{ error: -EINTR, unique: 20, payload: Buffer.alloc(0) }]);
  t.deepEqual(defects, []);
  t.is(dispatcher.pending, 1);
  await dispatcher.settle();
  t.is(dispatcher.pending, 0);
  t.false(dispatcher.concerns(1));
});

test('an observer that throws costs no reply', (t) => {
  const { dispatcher, sent, answered } = bench(t, new MemoryDirectory());
  answered.push = () => raise(new Error('full'));
  dispatcher.dispatch(request(OPCODE.STATFS, 2, 1));
  dispatcher.dispatch(request(OPCODE.STATFS, 4, 1));
  t.is(sent().length, 2);
});

function raise(error: unknown): never {
  throw error;
}

/** Throws from every look at it. */
function hostile(): object {
  return new Proxy(new Error(), {
    get: () => raise(new Error('hostile')),
    getPrototypeOf: () => raise(new Error()),
  });
}
