import { CasError } from '../../store/errors.js';
import { read } from '../../store/files.js';
import { consume } from '../../store/ingest/consume.js';
import type { Ingests, Named } from '../../store/ingest/ingests.js';
import { FsError } from '../errors.js';
import type { Awaitable } from '../node.js';

/**
 * Hands all bytes of an ingest to `use`. Then the ingest is gone or, where that fails, as it was.
 * @throws CasError INDEX_INVALID, errno EFBIG, for more than `limit` bytes; FsError ENOTDIR for a directory; what `use`
 * throws
 */
export async function receiveText(
  ingests: Ingests,
  named: Named,
  limit: number,
  use: (bytes: Buffer) => Awaitable<void>,
): Promise<void> {
  if (named === 'directory') throw new FsError('ENOTDIR');
  await consume(ingests, named, async (fd, size) => {
    if (size > limit)
      throw new CasError('INDEX_INVALID', {
        subject: named.ref,
        errno: 'EFBIG',
        expected: `at most ${limit} bytes`,
        found: size,
      });
    const bytes = Buffer.alloc(size);
    for (let at = 0; at < size;) {
      const count = await read(fd, bytes.subarray(at), at);
      if (count === 0)
        throw new CasError('INGEST_DAMAGED', { subject: named.ref, expected: size, found: at });
      at += count;
    }
    await use(bytes);
    return { result: undefined };
  });
}
