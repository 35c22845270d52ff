import { join } from 'node:path';
import type { MountRequest, Mounted, Observer, Transport } from '../fs/transport/transport.js';
import type { Tree } from '../fs/tree.js';
import type { Report } from '../store/report.js';

/** How long, in milliseconds, layers may be in use once their mount is gone before that is reported. */
const BRIEFLY = 500;

/**
 * Mounts a tree and, where the transport can, prepares a second mount for its layers, which comes and goes with their
 * use; see {@link Transport.within}.
 */
export async function mountWithViews(
  { filesystem, layers, views }: Tree,
  transport: Transport,
  request: MountRequest,
  observer: Observer,
  report: Report,
): Promise<Mounted> {
  const mounted = await transport.mount(filesystem, request, observer);
  const mountpoint = join(request.mountpoint, 'layers');
  const inner = await transport.within?.(layers, { ...request, mountpoint }, observer);
  if (inner === undefined) return mounted;
  views.onLook = () => inner.attach();
  let gone = false;
  // Who is in the layers while the mount is detached lazily, or has them below an overlay, can go on.
  const ended = mounted.ended
    .finally(() => (gone = true))
    .then(
      () => {
        const fields = { mountpoint: request.mountpoint };
        const message = 'the mount is gone, but its layers are in use; they are served until that ends';
        const late = setTimeout(() => report({ level: 'warn', message, fields }), BRIEFLY).unref();
        return inner.end().finally(() => clearTimeout(late));
      },
      (error: unknown) => {
        inner.abort();
        throw error;
      },
    );
  ended.catch(() => undefined);
  return {
    transport: mounted.transport,
    passthrough: mounted.passthrough,
    get pending() {
      return mounted.pending;
    },
    ended,
    unmount: async (lazy) => {
      await inner.detach();
      await mounted.unmount(lazy);
    },
    abort: () => {
      // The number of a connection that has ended may be another's.
      if (!gone) mounted.abort();
      inner.abort();
    },
  };
}
