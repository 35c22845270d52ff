import { createHash } from 'node:crypto';
import { read } from '../../files.js';

/** How many blocks are looked at, and their size in bytes. */
const BLOCKS = 16;
const BLOCK_SIZE = 4096;

/**
 * A digest of blocks spread evenly over the first `offset` bytes of a file, the last ones among them: what tells
 * that the bytes below a hash state were replaced by other bytes from outside. Takes 50 µs from the page cache.
 * @throws Error where the file is shorter
 */
export async function sampleOf(fd: number, offset: number): Promise<string> {
  const hash = createHash('sha256').update(`${offset}\n`);
  const block = Buffer.alloc(Math.min(BLOCK_SIZE, offset));
  for (let index = 0; index < BLOCKS && offset > 0; index++) {
    const at = Math.floor(((offset - block.length) * index) / (BLOCKS - 1));
    for (let done = 0; done < block.length;) {
      const count = await read(fd, block.subarray(done), at + done);
      if (count === 0) throw new Error(`the file ends before ${offset}`);
      done += count;
    }
    hash.update(block);
  }
  return hash.digest('hex').slice(0, 32);
}
