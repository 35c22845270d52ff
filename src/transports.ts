import { fuseNativeTransport } from '../fs/transport/fuse-native/fuse-native.js';
import { kernelTransport } from '../fs/transport/kernel/kernel.js';
import type { Transport } from '../fs/transport/transport.js';
import { Failure, MOUNT_EXIT } from './failure.js';

/** All transports, best first. */
export const TRANSPORTS: readonly Transport[] = [kernelTransport, fuseNativeTransport];

/**
 * The transport of that name, or the first that can run.
 * @throws Failure saying what each one lacks
 */
export function chooseTransport(name: string, transports: readonly Transport[] = TRANSPORTS): Transport {
  const candidates = transports.filter((transport) => name === 'auto' || transport.name === name);
  const reasons: string[] = [];
  for (const transport of candidates) {
    const reason = transport.unavailable();
    if (reason === undefined) return transport;
    reasons.push(`${transport.name}: ${reason}`);
  }
  throw new Failure(MOUNT_EXIT.mount, `cannot mount here: ${reasons.join('; ')}`);
}
