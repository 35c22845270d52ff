import type { FileSystem } from '../../filesystem.js';
import type { Mounted, Observer } from '../transport.js';
import { Buffers } from './buffers.js';
import { Device } from './device.js';
import { Dispatcher } from './dispatcher.js';
import type { Agreement } from './init.js';
import type { Attachment } from './mount.js';
import { Notices } from './notices.js';
import type { Context } from './operation.js';
import { Backings, mayPassThrough } from './passthrough.js';
import { Receiver } from './receiver.js';

/**
 * Serves a fresh mount; settles once the kernel has agreed on the protocol. If it does not, the mount is detached.
 * One that is `stateless` shows nothing but immutable files, which the kernel opens by itself.
 * @throws FsError EPROTO for a kernel that is too old, Error where the mount is gone at once
 */
export async function serve(
  filesystem: FileSystem,
  attachment: Attachment,
  observer: Observer,
  stateless = false,
): Promise<Mounted> {
  let initialized: Context['initialized'] = () => undefined;
  const agreement = new Promise<Agreement>((resolve, reject) => {
    initialized = (outcome) => (outcome instanceof Error ? reject(outcome) : resolve(outcome));
  });
  const device = new Device(attachment.fd);
  const buffers = new Buffers();
  const backings = new Backings(attachment.fd, mayPassThrough());
  const interrupt = (unique: number): void => dispatcher.interrupt(unique);
  const context: Context = { filesystem, buffers, backings, stateless, initialized, interrupt };
  const dispatcher = new Dispatcher(device, context, observer);
  const notices = new Notices(device, dispatcher);
  const receiver = new Receiver(device, buffers, dispatcher);

  const finish = async (): Promise<void> => {
    filesystem.notifyThrough(undefined);
    backings.enabled = false;
    // A notice written to the number of a closed descriptor might reach another file.
    await notices.stop();
    device.close();
    await dispatcher.settle();
    await filesystem.close();
  };
  const abort = (): void => {
    attachment.sever();
    device.close();
    attachment.detach();
    receiver.stop();
  };
  const ended = receiver.ended
    .catch((error: unknown) => {
      // Only then is the mount still there, and its device number not yet another's.
      attachment.detach();
      throw error;
    })
    .finally(finish);
  ended.catch(() => undefined);

  receiver.start();
  try {
    const gone = receiver.ended.then(() => Promise.reject(new Error('unmounted before it was ready')));
    const { passthrough } = await Promise.race([agreement, gone]);
    filesystem.notifyThrough(notices);
    return {
      transport: 'kernel',
      passthrough,
      get pending() {
        return dispatcher.pending;
      },
      ended,
      unmount: (lazy) => attachment.unmount(lazy),
      abort,
    };
  } catch (error) {
    abort();
    throw error;
  }
}
