// skopeo copies the image of three layers, as its layout has it (gzip), into a mount and into a plain directory.
import { cpSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { makeStore } from '../blobs.mjs';
import { settle } from '../disk.mjs';
import { imageDirectory } from '../image.mjs';
import { interleave, line } from '../measure.mjs';
import { mountCas } from '../mounts.mjs';
import { run, timed } from '../run.mjs';

const COPY = 'skopeo copy -q "oci:$1" "oci:$2:image"';

async function copyImage(context) {
  const layout = join(context.disk, 'image-layout');
  cpSync(join(await imageDirectory(), 'layout'), layout, { recursive: true });
  const plain = join(context.disk, 'image-plain');
  const warm = async () => {
    await settle(context);
    await run(['sh', '-c', 'cat "$1"/blobs/sha256/* > /dev/null', 'sh', layout]);
  };
  const results = await interleave(context, context.repeats, {
    disk: async () => {
      mkdirSync(plain);
      await warm();
      const seconds = await timed(COPY, [layout, plain]);
      await run(['rm', '-rf', plain]);
      return { seconds };
    },
    // A store of its own for each repeat: a blob that is there already is not copied again.
    'cas-mount': async (repeat) => {
      const store = await makeStore(context, `image-copy-${repeat}`);
      const mount = await mountCas(context, store);
      try {
        await warm();
        return { seconds: await timed(COPY, [layout, mount.mountpoint]) };
      } finally {
        await mount.unmount();
        await run(['rm', '-rf', store]);
      }
    },
  });
  return Object.entries(results).map(([system, result]) =>
    line('skopeo copy of an image of 3 layers', system, result, 'seconds', {
      unit: 's',
      ...(system !== 'disk' && { against: ['disk', results.disk], bar: '<= 1.3' }),
    }),
  );
}

export const rows = { 'image-copy': copyImage };
