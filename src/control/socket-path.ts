import { open } from 'node:fs/promises';
import path from 'node:path';

/** sizeof sun_path in struct sockaddr_un, less the NUL (unix(7)). */
const LONGEST = process.platform === 'darwin' ? 103 : 107;

/**
 * Calls `use` with a path to the socket at `socket` that fits into an address: Linux reaches a longer one through an
 * open descriptor of its directory.
 */
export async function withinSocketLimit<T>(socket: string, use: (path: string) => Promise<T>): Promise<T> {
  if (Buffer.byteLength(socket) <= LONGEST) return use(socket);
  const directory = await open(path.dirname(socket), 'r');
  try {
    return await use(`/proc/self/fd/${directory.fd}/${path.basename(socket)}`);
  } finally {
    await directory.close();
  }
}
