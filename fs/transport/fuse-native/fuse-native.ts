import { accessSync, constants as files } from 'node:fs';
import { stat } from 'node:fs/promises';
import { constants as os, platform } from 'node:os';
import { resolve } from 'node:path';
import { systemError } from '../../../store/libc.js';
import type { FileSystem } from '../../filesystem.js';
import type { Mounted, MountRequest, Observer, Transport } from '../transport.js';
import { Buffers } from './buffers.js';
import { Callbacks } from './callbacks.js';
import { Dispatcher } from './dispatcher.js';
import { holdOf } from './hold.js';
import { libfuse } from './library.js';
import { Notices } from './notices.js';
import { OPERATIONS } from './operations.js';
import { Receiver } from './receiver.js';
import { Session } from './session.js';

/**
 * Serves through libfuse 2, as the package fuse-native carries it, at its low level: by node number, on the main
 * thread. The package's addon sits on the level of paths. There is no path when a file is closed that was removed
 * while open, and the addon then hands on what lay on the stack, which can end the process; it does not tell who
 * calls, nor the flags of a create; it cuts times to milliseconds, and keeps a handle for every thread that libfuse
 * ever had.
 *
 * When the connection ends, requests under way are
 * interrupted and waited for, and the filesystem is closed, before {@link Mounted.ended} settles.
 */
export const fuseNativeTransport: Transport = {
  name: 'fuse-native',

  unavailable() {
    if (platform() !== 'linux') return 'it runs on Linux only';
    try {
      libfuse();
    } catch (error) {
      return (error as Error).message;
    }
    try {
      accessSync('/dev/fuse', files.R_OK | files.W_OK);
      return undefined;
    } catch (error) {
      const absent = (error as NodeJS.ErrnoException).code === 'ENOENT';
      return absent ? '/dev/fuse is missing (modprobe fuse)' : 'this user may not open /dev/fuse';
    }
  },

  async mount(filesystem, request, observer) {
    const mountpoint = resolve(request.mountpoint);
    if (!(await stat(mountpoint)).isDirectory()) throw systemError('mount', os.errno.ENOTDIR, mountpoint);
    return serve(filesystem, { ...request, mountpoint }, observer);
  },
};

async function serve(filesystem: FileSystem, request: MountRequest, observer: Observer): Promise<Mounted> {
  const fuse = libfuse();
  const buffers = new Buffers();
  const callbacks = new Callbacks();
  const onInterrupt = callbacks.add(['void *'], (call) => dispatcher.interrupt(call));
  const dispatcher = new Dispatcher({ filesystem, fuse, buffers }, observer, onInterrupt);
  for (const [member, operation] of Object.entries(OPERATIONS)) {
    callbacks.set(member, operation.parameters, (call, ...args) =>
      dispatcher.dispatch(operation, receiver.slab, call, args),
    );
  }
  const ready = new Promise<void>((initialized) => callbacks.set('init', ['void *'], () => initialized()));
  const session = new Session(fuse, request, callbacks.operations);
  const hold = holdOf(request.mountpoint);
  const receiver = new Receiver(session, buffers);
  const notices = new Notices(fuse, session.channel, dispatcher);
  let aborted = false;

  const ended = receiver.ended
    .then(() => {
      // The kernel says ENODEV of a connection that was aborted, too.
      if (!aborted && hold.stands()) throw systemError('read', os.errno.ECONNABORTED, '/dev/fuse');
    })
    .finally(async () => {
      filesystem.notifyThrough(undefined);
      hold.detach();
      await notices.stop();
      session.close();
      await dispatcher.settle();
      await filesystem.close();
      session.destroy();
      callbacks.dispose();
    });
  ended.catch(() => undefined);
  receiver.start();
  const gone = ended.then(() => Promise.reject(new Error('unmounted before it was ready')));
  gone.catch(() => undefined);
  await Promise.race([ready, gone]);
  filesystem.notifyThrough(notices);

  return {
    transport: 'fuse-native',
    passthrough: false,
    get pending() {
      return dispatcher.pending;
    },
    ended,
    unmount: (lazy) => hold.unmount(lazy),
    abort() {
      aborted = true;
      hold.sever();
      receiver.stop();
      session.close();
      hold.detach();
    },
  };
}
