import { openStore } from '../../../store/store.js';
import { parseRef } from '../../../store/ref.js';
import { seededBytes } from '../../helpers/bytes.js';
import { digestOfBytes, digestOfFile } from '../../helpers/digests.js';

/** Writes what is missing of `size` bytes to the ingest that is there, commits it, and prints the blob's digest. */
const [root = '', size = ''] = process.argv.slice(2);
const content = seededBytes(Number(size));
const store = await openStore(root);
const ingest = await store.ingests.find(parseRef('x'));
if (ingest === undefined) throw new Error('the ingest is gone');
ingest.lock();
await (
  await ingest.write(content.subarray(ingest.size), ingest.size)
).held;
ingest.unlock();
const digest = await digestOfBytes(content);
await store.ingests.commit(ingest, { digest });
console.log(await digestOfFile(store.blobs.path(digest)));
await store.close();
