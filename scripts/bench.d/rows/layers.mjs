// Registering the layers of an image, and reading them back as the tars that they were.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { makeStore } from '../blobs.mjs';
import { dropCaches, settle } from '../disk.mjs';
import { chainIds, imageLayers, makeLayout } from '../image.mjs';
import { containerdPeer, podmanPeer, umociPeer } from '../layer-peers.mjs';
import { interleave, line } from '../measure.mjs';
import { mountCas } from '../mounts.mjs';
import { run, timed } from '../run.mjs';
import { layerTar, register } from '../stacks.mjs';

const PEERS = { umoci: umociPeer, podman: podmanPeer, containerd: containerdPeer };

const HASH_AND_UNPACK = `
number=0
for tar in "\${@:2}"; do
  number=$((number + 1))
  mkdir -p "$1/$number" && openssl dgst -sha256 "$tar" &&
    tar -C "$1/$number" --xattrs --xattrs-include='*' -xpf "$tar" || exit
done
sync -f "$1"`;

async function registerLayers(context) {
  const layers = await imageLayers(context);
  const tars = layers.map(({ path }) => path);
  const layout = await makeLayout(context, layers);
  const warm = async () => {
    await settle(context);
    await timed('cat -- "$@"', [...tars, layout.archive]);
  };
  const plain = join(context.disk, 'plain');
  const peers = [];
  const systems = {
    disk: async () => {
      await warm();
      const seconds = await timed(HASH_AND_UNPACK, [plain, ...tars], { seconds: 300 });
      await run(['rm', '-rf', plain]);
      return { seconds };
    },
    // A store of its own for each repeat: content that is there already is not written again.
    'cas-mount': async (repeat) => {
      const store = await makeStore(context, `register-${repeat}`);
      const mount = await mountCas(context, store);
      try {
        await warm();
        return { seconds: await register(mount, 'image', tars) };
      } finally {
        await mount.unmount();
        await run(['rm', '-rf', store]);
      }
    },
  };
  for (const [name, start] of Object.entries(PEERS)) {
    try {
      const peer = await start(context, layout);
      peers.push(peer);
      systems[name] = async () => {
        await warm();
        const seconds = await peer.register();
        await peer.clear();
        return { seconds };
      };
    } catch (error) {
      systems[name] = () => Promise.reject(error);
    }
  }
  const results = await interleave(context, context.repeats, systems);
  for (const peer of peers) peer.stop();
  const what = `3 layers of ${(layers.reduce((sum, { size }) => sum + size, 0) / 1e6).toFixed(0)} MB registered`;
  return Object.entries(results).map(([system, result]) =>
    line(what, system === 'disk' ? 'openssl sha256; tar -xp; sync' : system, result, 'seconds', {
      unit: 's',
      ...(system !== 'disk' && { against: ['disk', results.disk] }),
    }),
  );
}

/** The base layer as a tar: the bytes of the disk, what tar-split assembles from an unpacked layer, and ours. */
async function readTar(context) {
  const [base] = await imageLayers(context);
  const unpacked = join(context.disk, 'unpacked');
  const split = join(context.disk, 'tar-data.json.gz');
  mkdirSync(unpacked);
  await run(['tar', '-C', unpacked, '-xpf', base.path]);
  const store = await makeStore(context, 'read-tar');
  const mount = await mountCas(context, store);
  const { tarError } = await register(mount, 'image', [base.path]).then(
    () => ({}),
    (tarError) => ({ tarError }),
  );
  const { splitError } = await run(['tar-split', 'disasm', '--no-stdout', '--output', split, base.path]).then(
    () => ({}),
    (splitError) => ({ splitError }),
  );
  await settle(context);
  const both = async (shell, args) => {
    await dropCaches(context);
    return { cold: await timed(shell, args), warm: await timed(shell, args) };
  };
  const results = await interleave(context, context.repeats, {
    disk: () => both('cat "$1" > /dev/null', [base.path]),
    'cas-mount': async () => {
      if (tarError) throw tarError;
      return both('cat "$1" > /dev/null', [layerTar(mount, chainIds([base])[0])]);
    },
    'tar-split asm': async () => {
      if (splitError) throw splitError;
      return both('tar-split asm --input "$1" --path "$2" --output - > /dev/null', [split, unpacked]);
    },
  });
  await mount.unmount();
  return ['cold', 'warm'].flatMap((key) =>
    Object.entries(results).map(([system, result]) =>
      line(`a layer read as a tar, ${key}`, system, result, key, {
        unit: 'GB/s',
        rate: base.size / 1e9,
        ...(system !== 'disk' && { against: ['disk', results.disk] }),
      }),
    ),
  );
}

export const rows = { 'layers-register': registerLayers, 'layers-tar': readTar };
