import { openStore } from '../../../store/store.js';
import { parseRef } from '../../../store/ref.js';
import { seededBytes } from '../../helpers/bytes.js';
import { digestOfBytes } from '../../helpers/digests.js';
import { errnoFrom } from '../../helpers/errno.js';

/** Writes `size` bytes to a new ingest, `piece` bytes at a time, until a write fails; prints what became of it. */
const [root = '', size = '', piece = ''] = process.argv.slice(2);
const content = seededBytes(Number(size));
const store = await openStore(root);
const ingest = await store.ingests.create(parseRef('x'), 'sha256');
const taken: number[] = [];
let at = 0;
const errno = await errnoFrom(async () => {
  while (at < content.length) {
    const written = await ingest.write(content.subarray(at, at + Number(piece)), at);
    await written.held;
    taken.push(written.size);
    at += written.size;
  }
});
ingest.unlock();
const digest = await ingest.prefixDigest();
const commit = await errnoFrom(async () =>
  store.ingests.commit(ingest, { digest: await digestOfBytes(content) }),
);
console.log(
  JSON.stringify({ taken, errno, size: ingest.size, offset: ingest.status.offset, digest, commit }),
);
await store.close();
