import test from 'ava';
import { errnoOf } from '../../../../fs/errors.js';
import { negotiate } from '../../../../fs/transport/kernel/init.js';
import { Reader } from '../../../../fs/transport/kernel/wire.js';
import { u32 } from './requests.js';

const ALL = 0xffff_ffff;
const PASSTHROUGH_HIGH = 1 << (37 - 32);
const WRITEBACK_CACHE = 1 << 16;
const POSIX_LOCKS = 1 << 1;
const FLOCK_LOCKS = 1 << 10;
const INIT_EXT = 1 << 30;

/** The fields of struct fuse_init_out. */
function answer(fields: readonly number[], passthrough = true): Record<string, number> {
  const body = Buffer.concat([u32(...fields), Buffer.alloc(44)]);
  const { reply } = negotiate(new Reader(body, 0, body.length), passthrough);
  const out = reply.finish(2).subarray(16);
  return {
    length: out.length,
    major: out.readUInt32LE(0),
    minor: out.readUInt32LE(4),
    readahead: out.readUInt32LE(8),
    flags: out.readInt32LE(12),
    maxWrite: out.readUInt32LE(20),
    granularity: out.readUInt32LE(24),
    maxPages: out.readUInt16LE(28),
    flags2: out.readUInt32LE(32),
    stackDepth: out.readUInt32LE(36),
  };
}

test('with the newest kernel everything is agreed on that is wanted', (t) => {
  const { flags = 0, ...rest } = answer([7, 45, 131072, ALL, ALL]);
  t.deepEqual(rest, {
    length: 64,
    major: 7,
    minor: 45,
    readahead: 131072,
    maxWrite: 1 << 20,
    granularity: 1,
    maxPages: 256,
    flags2: PASSTHROUGH_HIGH,
    stackDepth: 1,
  });
  t.is(flags & (WRITEBACK_CACHE | POSIX_LOCKS | FLOCK_LOCKS), 0);
});

test('passing through is asked for only by a process that may', (t) => {
  const { flags2, stackDepth } = answer([7, 45, 131072, ALL, ALL], false);
  t.deepEqual([flags2, stackDepth], [0, 0]);
});

test('an older kernel gets its own version and no flag that it did not offer', (t) => {
  const offered = 0x0042_1021;
  const { minor, flags = 0, flags2 } = answer([7, 31, 131072, offered, ALL]);
  t.is(minor, 31);
  t.is(flags & ~offered, 0);
  t.is(flags2, 0);
});

test('flags beyond the first 32 count only where the kernel says that it sends them', (t) => {
  t.is(answer([7, 40, 131072, ALL & ~INIT_EXT, ALL])['flags2'], 0);
});

test('a kernel of another major version is offered ours, and asks again', (t) => {
  const body = Buffer.concat([u32(8, 0), Buffer.alloc(56)]);
  const { reply, agreement } = negotiate(new Reader(body, 0, body.length), true);
  t.is(agreement, undefined);
  t.is(reply.finish(2).readUInt32LE(16), 7);
});

for (const [major, minor] of [
  [7, 30],
  [6, 50],
] as const) {
  test(`a kernel that speaks ${major}.${minor} is refused with EPROTO`, (t) => {
    const error = t.throws(() => answer([major, minor, 0, 0, 0]));
    t.is(errnoOf(error), 71);
  });
}
