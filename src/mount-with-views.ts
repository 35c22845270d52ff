import { join } from 'node:path';
import type { MountRequest, Mounted, Observer, Transport } from '../fs/transport/transport.js';
import type { Tree } from '../fs/tree.js';

/**
 * Mounts a tree and, where the transport can, prepares a second mount for its layers, which comes and goes with their
 * use; see {@link Transport.within}.
 */
export async function mountWithViews(
  { filesystem, layers, views }: Tree,
  transport: Transport,
  request: MountRequest,
  observer: Observer,
): Promise<Mounted> {
  const mounted = await transport.mount(filesystem, request, observer);
  const mountpoint = join(request.mountpoint, 'layers');
  const inner = await transport.within?.(layers, { ...request, mountpoint }, observer);
  if (inner === undefined) return mounted;
  views.onLook = () => inner.attach();
  const end = (): void => void inner.end().catch(() => undefined);
  mounted.ended.then(end, end);
  return {
    transport: mounted.transport,
    passthrough: mounted.passthrough,
    get pending() {
      return mounted.pending;
    },
    ended: mounted.ended,
    unmount: async (lazy) => {
      await inner.detach();
      await mounted.unmount(lazy);
    },
    abort: () => mounted.abort(),
  };
}
