import koffi from 'koffi';
import { self } from '../../../store/libc.js';

const RWF_NOWAIT = 8;
const preadv2 = bindIfPresent('long preadv2(int fd, void *vector, int count, int64_t offset, int flags)');
const vector = new BigUint64Array(2);
const vectorBytes = new Uint8Array(vector.buffer);

/** How much was read, and whether there is no more to read: the buffer is full or the file ends. */
export interface Resident {
  readonly length: number;
  readonly whole: boolean;
}

/**
 * Reads what the page cache holds, without waiting for a disk.
 * First read of a 1 GiB file through a mount without passthrough, the file cached below, medians of 7 on two
 * cores: fs.read on the thread pool 1.4 GB/s, this 2.3, splice(2) from file to device 2.4, bindfs 2.6.
 */
export function readResident(descriptor: number, into: Buffer, offset: number): Resident {
  let length = 0;
  while (preadv2 && length < into.length) {
    vector[0] = koffi.address(into) + BigInt(length);
    vector[1] = BigInt(into.length - length);
    const read = preadv2(descriptor, vectorBytes, 1, offset + length, RWF_NOWAIT) as number;
    // Short of the end of the file this is EAGAIN, and EOPNOTSUPP where the filesystem cannot tell.
    if (read < 0) return { length, whole: false };
    if (read === 0) return { length, whole: true };
    length += read;
  }
  return { length, whole: length === into.length };
}

/** musl has preadv2 from 1.2.5 on. */
function bindIfPresent(prototype: string): ReturnType<typeof self.func> | undefined {
  try {
    return self.func(prototype);
  } catch {
    return undefined;
  }
}
