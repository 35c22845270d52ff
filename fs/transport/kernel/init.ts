import type { Reader } from './wire.js';
import { INIT, MAJOR, MAX_TRANSFER, MINOR, OLDEST_MINOR, SIZE } from './protocol.js';
import { FsError } from '../../errors.js';
import { Writer } from './wire.js';

/** What was agreed with the kernel. */
export interface Agreement {
  readonly minor: number;
  readonly passthrough: boolean;
}

/**
 * What is asked for where the kernel offers it.
 * Not WRITEBACK_CACHE: written data must reach the hasher as it is written, and it excludes PASSTHROUGH.
 * Without HANDLE_KILLPRIV_V2 the kernel asks for `security.capability` before every write; what it leaves to us,
 * clearing set-id bits on write, is void on a mount that is nosuid.
 * READDIRPLUS_AUTO: attributes come with names for `ls -l`, and are not fetched for a bare listing that goes on. Not
 * where all is immutable: they cost nothing there, and are kept for whoever asks for them later. Of 1000 names in a
 * directory, 840 would each be looked up again.
 */
const WANTED =
  INIT.ASYNC_READ |
  INIT.ATOMIC_O_TRUNC |
  INIT.BIG_WRITES |
  INIT.AUTO_INVAL_DATA |
  INIT.DO_READDIRPLUS |
  INIT.READDIRPLUS_AUTO |
  INIT.ASYNC_DIO |
  INIT.PARALLEL_DIROPS |
  INIT.ABORT_ERROR |
  INIT.MAX_PAGES |
  INIT.CACHE_SYMLINKS |
  INIT.HANDLE_KILLPRIV_V2 |
  INIT.EXT;

/** Reads and writes of one mount that the kernel may have under way on its own account. */
const MAX_BACKGROUND = 32;
const PAGE = 4096;

/**
 * Answers INIT: the newest version and the flags that both sides know.
 * `agreement` is undefined where the kernel has to ask again, in a version that we offer.
 * @throws FsError EPROTO for a kernel before 5.4
 */
export function negotiate(
  body: Reader,
  wantPassthrough: boolean,
  stateless = false,
): { reply: Writer; agreement: Agreement | undefined } {
  const major = body.u32();
  const minor = body.u32();
  if (major > MAJOR) return { reply: answer(MINOR, 0, 0n), agreement: undefined };
  if (major < MAJOR || minor < OLDEST_MINOR) throw new FsError('EPROTO');
  const readahead = body.u32();
  const low = BigInt(body.u32());
  const offered = (low & INIT.EXT) === 0n ? low : low | (BigInt(body.u32()) << 32n);
  const wanted = stateless ? WANTED & ~INIT.READDIRPLUS_AUTO : WANTED;
  const flags = offered & (wantPassthrough ? wanted | INIT.PASSTHROUGH : wanted);
  const agreed = Math.min(minor, MINOR);
  return {
    reply: answer(agreed, readahead, flags),
    agreement: { minor: agreed, passthrough: (flags & INIT.PASSTHROUGH) !== 0n },
  };
}

/** struct fuse_init_out. A stack depth of 1 leaves overlayfs one level above a mount with passthrough. */
function answer(minor: number, readahead: number, flags: bigint): Writer {
  const reply = Writer.of(SIZE.INIT_OUT);
  reply.u32(MAJOR);
  reply.u32(minor);
  reply.u32(readahead);
  reply.u32(Number(flags & 0xffff_ffffn));
  reply.u16(MAX_BACKGROUND);
  reply.u16(MAX_BACKGROUND);
  reply.u32(MAX_TRANSFER);
  reply.u32(1);
  reply.u16(MAX_TRANSFER / PAGE);
  reply.u16(0);
  reply.u32(Number(flags >> 32n));
  reply.u32((flags & INIT.PASSTHROUGH) === 0n ? 0 : 1);
  reply.zeros(SIZE.INIT_OUT - reply.length);
  return reply;
}
