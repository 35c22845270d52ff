// The image of three layers, as its layout has it (gzip), as archives: by cas export of a store that has it, and by skopeo.
import { cpSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { makeStore } from '../blobs.mjs';
import { settle } from '../disk.mjs';
import { imageDirectory } from '../image.mjs';
import { interleave, line } from '../measure.mjs';
import { mountCas } from '../mounts.mjs';
import { run, timed } from '../run.mjs';

const FORMATS = ['oci-archive', 'docker-archive'];
const COPY = 'skopeo copy -q "oci:$1:debian" "$2:$3:debian:1"';
const EXPORT = '"$1" "$2" --root "$3" export debian --format "$4" -o "$5"';

async function exportImage(context) {
  const layout = join(context.disk, 'export-layout');
  cpSync(join(await imageDirectory(), 'layout'), layout, { recursive: true });
  const cas = [process.execPath, join(dirname(context.program), 'cas.js')];
  const store = await makeStore(context, 'image-export');
  const mount = await mountCas(context, store);
  try {
    await run([...cas, '--root', store, 'import', layout]);
    const written = async (write) => {
      const samples = {};
      for (const format of FORMATS) {
        const file = join(context.disk, `${format}.tar`);
        await settle(context);
        await run([
          'sh',
          '-c',
          'cat "$1"/blobs/sha256/* "$2"/blobs/sha256/* > /dev/null',
          'sh',
          layout,
          store,
        ]);
        samples[format] = await write(format, file);
        rmSync(file);
      }
      return samples;
    };
    const results = await interleave(context, context.repeats, {
      skopeo: () => written((format, file) => timed(COPY, [layout, format, file])),
      'cas-mount': () => written((format, file) => timed(EXPORT, [...cas, store, format, file])),
    });
    return FORMATS.flatMap((format) => {
      const what = `the image of 3 layers as an ${format}`.replace('an docker', 'a docker');
      const against = ['skopeo', results.skopeo, format];
      return [
        line(what, 'skopeo', results.skopeo, format, { unit: 's' }),
        line(what, 'cas-mount', results['cas-mount'], format, { unit: 's', against, bar: '<= 1' }),
      ];
    });
  } finally {
    await mount.unmount();
    await run(['rm', '-rf', store, layout]);
  }
}

export const rows = { 'image-export': exportImage };
