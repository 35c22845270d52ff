// Ingest and commit of one large file, durable when the command returns.
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { makeFile, makeStore } from '../blobs.mjs';
import { startContainerd } from '../containerd.mjs';
import { settle } from '../disk.mjs';
import { interleave, line } from '../measure.mjs';
import { mountCas } from '../mounts.mjs';
import { run, timed } from '../run.mjs';

async function ingest(context) {
  const store = await makeStore(context, 'ingest');
  const plain = join(context.disk, 'ingest-plain');
  mkdirSync(plain);
  const source = makeFile(join(context.disk, 'source'), context.sizes.large);
  await settle(context);
  await run(['dd', `if=${source.path}`, 'of=/dev/null', 'bs=1M']);
  const { mount, mountError } = await mountCas(context, store).then(
    (mount) => ({ mount }),
    (mountError) => ({ mountError }),
  );
  const { peer, peerError } = await startContainerd(context).then(
    (peer) => ({ peer }),
    (peerError) => ({ peerError }),
  );
  const systems = {
    disk: async () => {
      await settle(context);
      const line = 'cp "$1" "$2/t" && openssl dgst -sha256 "$2/t" && sync "$2/t" && mv "$2/t" "$2/$3"';
      const seconds = await timed(line, [source.path, plain, source.hex]);
      rmSync(join(plain, source.hex));
      return { seconds };
    },
    'cas-mount': async () => {
      if (mountError) throw mountError;
      await settle(context);
      const line = 'cp "$1" "$2/ingest/x" && mv "$2/ingest/x" "$2/blobs/sha256/$3"';
      const seconds = await timed(line, [source.path, mount.mountpoint, source.hex]);
      await run([
        'sh',
        '-c',
        'cmp "$1" "$2" && rm -f "$2"',
        'x',
        source.path,
        join(mount.mountpoint, 'blobs/sha256', source.hex),
      ]);
      return { seconds };
    },
    'ctr content ingest': async () => {
      if (peerError) throw peerError;
      await settle(context);
      const line = 'd=$1; f=$2; shift 2; "$@" content ingest --expected-digest "sha256:$d" large <"$f"';
      const seconds = await timed(line, [source.hex, source.path, ...peer.command]);
      await peer.remove(source.hex);
      return { seconds };
    },
  };
  const results = await interleave(context, context.repeats, systems);
  await mount?.unmount();
  peer?.stop();
  rmSync(source.path);
  const what = `ingest and commit of ${context.large}`;
  const options = { unit: 's' };
  const cas = results['cas-mount'];
  return [
    line(what, 'cp; openssl sha256; fsync; mv', results.disk, 'seconds', options),
    line(what, 'cas-mount', cas, 'seconds', { ...options, against: ['disk', results.disk], bar: '<= 1.2' }),
    line(what, 'cas-mount', cas, 'seconds', {
      ...options,
      against: ['ctr', results['ctr content ingest']],
      bar: '<= 0.333',
    }),
    line(what, 'ctr content ingest', results['ctr content ingest'], 'seconds', {
      ...options,
      against: ['disk', results.disk],
    }),
  ];
}

export const rows = { ingest };
