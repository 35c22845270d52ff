import { randomUUID } from 'node:crypto';
import fs from 'node:fs';
import { dirname, join } from 'node:path';
import type { Blobs } from './blobs.js';
import { algorithmOf, type Digest } from './digest.js';
import { CasError } from './errors.js';
import { close, fchmod, fstat, fsync, ifPresent, open, unlink } from './files.js';
import type { Ingest } from './ingest/ingest.js';
import { hashFile } from './ingest/progress.js';
import { placeBlob } from './place-blob.js';
import { setTimes } from './times.js';

const { COPYFILE_EXCL, COPYFILE_FICLONE, O_RDONLY } = fs.constants;

/**
 * Commits a copy of the file of an ingest that somebody may go on writing, verified as a copy. The ingest is not touched.
 * What a crash leaves is removed when the ingests are next loaded.
 * @returns whether the blob is new
 * @throws CasError DIGEST_MISMATCH
 */
export async function commitCopy(ingest: Ingest, blobs: Blobs, digest: Digest): Promise<boolean> {
  const { ref, record } = ingest;
  const from = join(dirname(record.data), `.${randomUUID()}.tmp`);
  const original = await ingest.open();
  let copy: number | undefined;
  try {
    await fs.promises.copyFile(`/proc/self/fd/${original}`, from, COPYFILE_EXCL | COPYFILE_FICLONE);
    copy = await open(from, O_RDONLY);
    const { uid, gid } = fstat(original);
    fs.fchownSync(copy, Number(uid), Number(gid));
    await fchmod(copy, 0o444);
    const size = Number(fstat(copy).size);
    for (const expected of new Set([digest, record.expected ?? digest])) {
      const found = await hashFile(copy, size, algorithmOf(expected));
      if (found !== expected) throw new CasError('DIGEST_MISMATCH', { subject: ref, expected, found });
    }
    setTimes(copy, 'now', 'now');
    await fsync(copy);
    return await placeBlob(blobs, digest, { from, size, keep: false });
  } finally {
    if (copy !== undefined) await close(copy);
    await ifPresent(unlink(from));
  }
}
