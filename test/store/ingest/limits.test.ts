import fs from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { openStore } from '../../../store/store.js';
import { parseRef } from '../../../store/ref.js';
import { seededBytes } from '../../helpers/bytes.js';
import { digestOfBytes, digestOfFile } from '../../helpers/digests.js';
import { runChild } from '../../helpers/processes.js';
import { temporaryDirectory } from '../../helpers/temporary.js';

const WRITER = fileURLToPath(new URL('write-until-refused.js', import.meta.url));

/** What {@link WRITER} prints. */
interface Report {
  readonly taken: number[];
  readonly errno: string;
  readonly size: number;
  readonly offset: number;
  readonly digest: string;
  readonly commit: string;
}

function reportOf({ output }: { output: string }): Report {
  try {
    return JSON.parse(output) as Report;
  } catch {
    throw new Error(output);
  }
}

for (const piece of [40_000, 150_000])
  test(`a write of ${piece} bytes cut short by RLIMIT_FSIZE counts for what it took, and the ingest goes on`, async (t) => {
    const root = join(temporaryDirectory(t), 'store');
    const content = seededBytes(400_000);
    const limit = 204_800;
    const report = reportOf(
      await runChild('prlimit', [`--fsize=${limit}:`, process.execPath, WRITER, root, '400000', `${piece}`]),
    );
    t.is(report.errno, 'EFBIG');
    t.true(
      report.taken.some((size) => size > 0 && size < piece),
      'one write was short',
    );
    t.like(report, { size: limit, offset: limit, commit: 'EBADMSG' });
    t.is(report.digest, await digestOfBytes(content.subarray(0, limit)));
    const store = await openStore(root);
    t.teardown(() => store.close());
    const ingest = await store.ingests.find(parseRef('x'));
    if (ingest === undefined) return t.fail('the ingest is gone');
    ingest.lock();
    await (
      await ingest.write(content.subarray(limit), limit)
    ).held;
    ingest.unlock();
    const digest = await digestOfBytes(content);
    await store.ingests.commit(ingest, { digest });
    t.is(await digestOfFile(store.blobs.path(digest)), digest);
  });

test('a full disk is the error of the write that met it; with room made the ingest goes on', async (t) => {
  const directory = temporaryDirectory(t);
  const script = [
    'mount -t tmpfs -o size=2m none "$1" && head -c 900000 /dev/zero > "$1/filler"',
    // The store opens and closes on the full disk too.
    '"$2" "$3" "$1/store" 1500000 100000 && rm "$1/filler" && "$2" "$4" "$1/store" 1500000',
  ].join(' && ');
  const resume = fileURLToPath(new URL('resume-and-commit.js', import.meta.url));
  const { output, code } = await runChild('unshare', [
    ...(process.getuid?.() === 0 ? [] : ['--map-root-user']),
    '--mount',
    'sh',
    '-c',
    script,
    'sh',
    directory,
    process.execPath,
    WRITER,
    resume,
  ]);
  t.is(code, 0, output);
  const [first = '', second = ''] = output.trim().split('\n');
  const report = reportOf({ output: first });
  t.is(report.errno, 'ENOSPC');
  t.is(report.digest, await digestOfBytes(seededBytes(1_500_000).subarray(0, report.offset)));
  t.is(second, await digestOfBytes(seededBytes(1_500_000)), 'the digest that sha256sum gives for the blob');
  t.deepEqual(fs.readdirSync(directory), []);
});
