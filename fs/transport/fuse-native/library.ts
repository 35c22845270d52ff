import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { arch, platform } from 'node:os';
import { dirname, join } from 'node:path';
import koffi from 'koffi';
import { LAYOUT_KNOWN } from './structures.js';

/** What fuse_version() of libfuse 2.9 says. */
const VERSION = 29;
const SONAME = 'libfuse.so.2';

/**
 * The part of libfuse 2.9 that is used; see its fuse_lowlevel.h. A function that replies ends the request whatever
 * it returns: 0, or a negative errno where the kernel did not take the reply.
 */
const PROTOTYPES = {
  addArgument: 'int fuse_opt_add_arg(void *args, const char *argument)',
  freeArguments: 'void fuse_opt_free_args(void *args)',
  mount: 'void *fuse_mount(const char *mountpoint, void *args)',
  unmount: 'void fuse_unmount(const char *mountpoint, void *channel)',
  descriptor: 'int fuse_chan_fd(void *channel)',
  createSession: 'void *fuse_lowlevel_new(void *args, void *operations, size_t size, void *data)',
  addChannel: 'void fuse_session_add_chan(void *session, void *channel)',
  removeChannel: 'void fuse_session_remove_chan(void *channel)',
  destroySession: 'void fuse_session_destroy(void *session)',
  process: 'void fuse_session_process(void *session, void *message, size_t length, void *channel)',
  context: 'void *fuse_req_ctx(void *request)',
  onInterrupt: 'void fuse_req_interrupt_func(void *request, void *callback, void *data)',
  replyError: 'int fuse_reply_err(void *request, int errno)',
  replyNone: 'void fuse_reply_none(void *request)',
  replyEntry: 'int fuse_reply_entry(void *request, void *entry)',
  replyCreate: 'int fuse_reply_create(void *request, void *entry, void *file)',
  replyAttr: 'int fuse_reply_attr(void *request, void *stat, double seconds)',
  replyReadlink: 'int fuse_reply_readlink(void *request, void *target)',
  replyOpen: 'int fuse_reply_open(void *request, void *file)',
  replyWrite: 'int fuse_reply_write(void *request, size_t count)',
  replyBytes: 'int fuse_reply_buf(void *request, void *bytes, size_t length)',
  replyStatfs: 'int fuse_reply_statfs(void *request, void *statvfs)',
  replyXattrSize: 'int fuse_reply_xattr(void *request, size_t size)',
  invalidateInode:
    'int fuse_lowlevel_notify_inval_inode(void *channel, unsigned long node, int64_t offset, int64_t length)',
  invalidateEntry:
    'int fuse_lowlevel_notify_inval_entry(void *channel, unsigned long parent, void *name, size_t length)',
} as const;

/** A function of C. */
export interface Native {
  (...args: unknown[]): unknown;
  /** Calls it on the thread pool; the last argument is called with an error or null, and the result. */
  readonly async: (...args: unknown[]) => void;
}

/** The functions of libfuse by what they do. */
export type Libfuse = Readonly<Record<keyof typeof PROTOTYPES, Native>>;

let loaded: Libfuse | undefined;

/**
 * libfuse 2, loaded at the first call: the one that fuse-native carries for its addon where it has one for this
 * processor, else the system's.
 * @throws Error that says what is missing
 */
export function libfuse(): Libfuse {
  return (loaded ??= load());
}

function load(): Libfuse {
  if (!LAYOUT_KNOWN) throw new Error(`it does not know the processor ${arch()}`);
  const refusals: string[] = [];
  for (const path of [carried(), SONAME]) {
    if (path === undefined) continue;
    try {
      const library = koffi.load(path);
      const version = library.func('int fuse_version()')() as number;
      if (version !== VERSION) throw new Error(`${path} has version ${version / 10}, not 2.9`);
      const functions = Object.entries(PROTOTYPES).map(([name, prototype]) => [
        name,
        library.func(prototype),
      ]);
      return Object.fromEntries(functions) as Libfuse;
    } catch (error) {
      refusals.push((error as Error).message);
    }
  }
  throw new Error(`${SONAME} is missing: install the Debian package libfuse2 (${refusals.join('; ')})`);
}

/** The path of the library in the package fuse-native. */
function carried(): string | undefined {
  try {
    const manifest = createRequire(import.meta.url).resolve('fuse-native/package.json');
    const path = join(dirname(manifest), 'prebuilds', `${platform()}-${arch()}`, 'libfuse.so');
    return existsSync(path) ? path : undefined;
  } catch {
    return undefined;
  }
}
