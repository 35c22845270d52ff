// skopeo copies the image of three layers, as its layout has it (gzip), into a mount and into a plain directory.
import { cpSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { makeStore } from '../blobs.mjs';
import { settle } from '../disk.mjs';
import { imageDirectory } from '../image.mjs';
import { interleave, line } from '../measure.mjs';
import { mountBindfs, mountCas } from '../mounts.mjs';
import { run, timed } from '../run.mjs';

const COPY = 'skopeo copy -q "oci:$1" "oci:$2:image"';
const CLEAR = 'cd "$1" && echo \'{"schemaVersion":2}\' >index.json && rm -f blobs/sha256/*';

async function copyImage(context) {
  const layout = join(context.disk, 'image-layout');
  cpSync(join(await imageDirectory(), 'layout'), layout, { recursive: true });
  const plain = join(context.disk, 'image-plain');
  const copyTo = async (directory) => {
    await settle(context);
    await run(['sh', '-c', 'cat "$1"/blobs/sha256/* > /dev/null', 'sh', layout]);
    return timed(COPY, [layout, directory]);
  };
  const results = await interleave(context, context.repeats, {
    disk: async () => {
      mkdirSync(plain);
      const seconds = await copyTo(plain);
      await run(['rm', '-rf', plain]);
      return { seconds };
    },
    // A store of its own for each repeat. A blob that is there already would not be copied again.
    'cas-mount': async (repeat) => {
      const store = await makeStore(context, `image-copy-${repeat}`);
      const mount = await mountCas(context, store);
      try {
        const first = await copyTo(mount.mountpoint);
        await run(['sh', '-c', CLEAR, 'sh', mount.mountpoint]);
        return { first, seconds: await copyTo(mount.mountpoint) };
      } finally {
        await mount.unmount();
        await run(['rm', '-rf', store]);
      }
    },
    bindfs: async () => {
      mkdirSync(plain);
      const mount = await mountBindfs(context, plain);
      try {
        return { seconds: await copyTo(mount.mountpoint) };
      } finally {
        await mount.unmount();
        await run(['rm', '-rf', plain]);
      }
    },
  });
  const what = 'skopeo copy of an image of 3 layers';
  const against = ['disk', results.disk, 'seconds'];
  const cas = results['cas-mount'];
  return [
    line(what, 'disk', results.disk, 'seconds', { unit: 's' }),
    line(what, 'cas-mount', cas, 'seconds', { unit: 's', against, bar: '<= 1.3' }),
    line(`${what}, the first of a daemon`, 'cas-mount', cas, 'first', { unit: 's', against }),
    line(what, 'bindfs', results.bindfs, 'seconds', { unit: 's', against }),
  ];
}

export const rows = { 'image-copy': copyImage };
