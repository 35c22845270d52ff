import { execFile } from 'node:child_process';
import path from 'node:path';
import { promisify } from 'node:util';
import test from 'ava';
import { FULL } from '../faults/form.js';
import { temporaryDirectory } from '../helpers/temporary.js';
import { run } from '../src/process/site.js';
import { Mount } from './mount.js';
import { smallImages } from './small-images.js';
import { succeeded } from './suite.js';
import { AS_ROOT } from './variants.js';

const execute = promisify(execFile);
const SCRIPT = path.resolve('test/e2e/fixtures/parallel-tags.py');
const WRITERS = 16;
const ROUNDS = FULL ? 20 : 2;

interface Outcome {
  readonly tags: number;
  readonly lost: readonly string[];
  readonly killed: number;
  readonly failed: number;
  readonly said: string;
  readonly reads: number;
  readonly torn: number;
}

for (const variant of AS_ROOT) {
  for (const tool of ['skopeo', 'umoci']) {
    for (const kills of FULL ? [0, 3] : [1]) {
      test.serial(
        `${variant.name}: no tag of ${WRITERS} times ${tool} is lost, ${kills} killed`,
        async (t) => {
          t.timeout(FULL ? 600_000 : 240_000);
          const source = path.join(temporaryDirectory(t), 'source');
          await smallImages(source, WRITERS);
          const mount = await Mount.of(variant);
          t.teardown(() => mount.close());
          const { mountpoint } = mount;
          succeeded(t, await run('skopeo', ['copy', '-q', `oci:${source}:0`, `oci:${mountpoint}:seed`]));
          const counts = [WRITERS, ROUNDS, kills].map(String);
          const { stdout } = await execute('python3', [SCRIPT, mountpoint, tool, ...counts, source]);
          const { tags, lost, killed, failed, said, reads, torn } = JSON.parse(stdout) as Outcome;
          t.log(`${tags} tags, ${killed} killed, ${reads} reads`);
          t.is(failed, 0, said);
          t.deepEqual(lost, []);
          t.is(tags + killed, WRITERS * ROUNDS);
          t.true(killed <= kills * ROUNDS);
          t.is(torn, 0);
          t.true(reads > 0);
          const check =
            "cd blobs/sha256; sha256sum * | awk '$1 != $2 { print; found = 1 } END { exit found }'";
          succeeded(t, await mount.run(check));
          t.is((await mount.status()).defects, 0);
        },
      );
    }
  }
}
