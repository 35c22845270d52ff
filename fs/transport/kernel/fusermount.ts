import { spawn } from 'node:child_process';
import { closeSync } from 'node:fs';
import { constants } from 'node:os';
import { text } from 'node:stream/consumers';
import koffi from 'koffi';
import { bind, systemError } from '../../../store/libc.js';

const AF_UNIX = 1;
const SOCK_STREAM = 1;
const SOCK_CLOEXEC = 0o2000000;
const SOL_SOCKET = 1;
const SCM_RIGHTS = 1;
const MSG_DONTWAIT = 0x40;
const MSG_CMSG_CLOEXEC = 0x40000000;

const socketpair = bind('int socketpair(int domain, int type, int protocol, void *pair)');
const recvmsg = bind('long recvmsg(int fd, void *message, int flags)');

/**
 * Has fusermount3 mount with `options`, and takes the descriptor of /dev/fuse that it opened.
 * @throws Error with what fusermount3 said
 */
export async function mountThroughHelper(mountpoint: string, options: readonly string[]): Promise<number> {
  const pair = new Int32Array(2);
  socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, new Uint8Array(pair.buffer));
  const [ours = -1, theirs = -1] = pair;
  try {
    await fusermount(['-o', options.join(','), '--', mountpoint], theirs);
    return receiveDescriptor(ours);
  } finally {
    closeSync(ours);
    closeSync(theirs);
  }
}

/**
 * Has fusermount3 unmount.
 * @throws a system error EBUSY, or Error with what fusermount3 said
 */
export async function unmountThroughHelper(mountpoint: string, lazy: boolean): Promise<void> {
  try {
    await fusermount(['-u', ...(lazy ? ['-z'] : []), '--', mountpoint]);
  } catch (error) {
    if (!/resource busy/i.test(String(error))) throw error;
    throw systemError('umount', constants.errno.EBUSY, mountpoint);
  }
}

/** Starts a lazy unmount and does not wait for it. */
export function detachThroughHelper(mountpoint: string): void {
  const helper = spawn('fusermount3', ['-u', '-z', '--', mountpoint], { stdio: 'ignore', detached: true });
  helper.on('error', () => undefined);
  helper.unref();
}

/** The socket is descriptor 3 of the helper. */
async function fusermount(args: readonly string[], socket?: number): Promise<void> {
  const helper = spawn('fusermount3', args, {
    stdio: ['ignore', 'ignore', 'pipe', socket ?? 'ignore'],
    env: { ...process.env, LC_ALL: 'C', _FUSE_COMMFD: '3' },
  });
  const ended = new Promise<number | null>((resolve, reject) => {
    helper.on('error', reject);
    helper.on('close', resolve);
  });
  const [said, code] = await Promise.all([helper.stderr ? text(helper.stderr) : '', ended]);
  if (code !== 0) throw new Error(said.trim() || `fusermount3 ended with ${code ?? 'a signal'}`);
}

/** Reads struct cmsghdr with one descriptor; the helper has sent it by the time it ends. */
function receiveDescriptor(socket: number): number {
  const pointer = koffi.sizeof('void *');
  const data = Buffer.alloc(1);
  const control = Buffer.alloc(64);
  const vector = words(pointer, [koffi.address(data), 1n]);
  const message = words(pointer, [0n, 0n, koffi.address(vector), 1n, koffi.address(control), 64n, 0n]);
  recvmsg(socket, message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  const header = pointer;
  if (control.readInt32LE(header) !== SOL_SOCKET || control.readInt32LE(header + 4) !== SCM_RIGHTS) {
    throw new Error('fusermount3 sent no descriptor');
  }
  return control.readInt32LE(header + 8);
}

/** The members of struct iovec and struct msghdr are all laid out as one pointer-sized word each. */
function words(size: number, values: readonly bigint[]): Buffer {
  const bytes = Buffer.alloc(size * values.length);
  values.forEach((value, index) => {
    if (size === 8) bytes.writeBigUInt64LE(value, index * size);
    else bytes.writeUInt32LE(Number(value), index * size);
  });
  return bytes;
}
