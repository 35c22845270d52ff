import { closeSync } from 'node:fs';
import { bind } from '../store/libc.js';

const AF_UNIX = 1;
const SOCK_DGRAM = 2;

/**
 * Tells systemd how far we are (sd_notify(3)): `READY=1`, `STOPPING=1`. Does nothing where nobody listens.
 * @throws a system error when the socket that is named cannot be reached
 */
export function notifyServiceManager(
  state: 'READY=1' | 'STOPPING=1',
  env: NodeJS.ProcessEnv = process.env,
): void {
  const name = env['NOTIFY_SOCKET'];
  if (name === undefined || !/^[/@]/.test(name)) return;
  const socket = bind('int socket(int, int, int)');
  const sendto = bind('long sendto(int, const uint8_t *, size_t, int, const uint8_t *, uint32_t)');
  const fd = socket(AF_UNIX, SOCK_DGRAM, 0);
  try {
    const address = unixAddress(name);
    const message = Buffer.from(state);
    sendto(fd, message, message.length, 0, address, address.length);
  } finally {
    closeSync(fd);
  }
}

/** struct sockaddr_un; a name that starts with `@` is in the abstract namespace (unix(7)). */
function unixAddress(name: string): Buffer {
  const family = Buffer.alloc(2);
  if (process.platform === 'darwin') family.set([0, AF_UNIX]);
  else family.writeUInt16LE(AF_UNIX);
  const abstract = name.startsWith('@');
  return Buffer.concat([family, Buffer.from(abstract ? `\0${name.slice(1)}` : `${name}\0`)]);
}
