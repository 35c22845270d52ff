// First and second read of one large committed blob, whose backing file the page cache holds.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { makeFile, makeStore, seal } from '../blobs.mjs';
import { interleave, line } from '../measure.mjs';
import { mountBindfs, mountCas, mountPassthrough, openFuseToUsers } from '../mounts.mjs';
import { run } from '../run.mjs';

async function read(path, user) {
  const [, seconds] = /, ([\d.e-]+) s,/.exec(
    await run(['sh', '-c', 'exec dd if="$1" of=/dev/null bs=1M 2>&1', 'dd', path], { user }),
  );
  return Number(seconds);
}

/** Reads twice through a mount that has not seen the file. */
async function readTwice(mount, name, user) {
  try {
    const path = join(mount.mountpoint, 'blobs/sha256', name);
    return { first: await read(path, user), second: await read(path, user) };
  } finally {
    await mount.unmount();
  }
}

/** A store with one large blob. */
async function storeWithBlob(context, name, options) {
  const store = await makeStore(context, name, options);
  const staged = join(context.disk, `${name}.staged`);
  const { hex } = makeFile(staged, context.sizes.large);
  const path = join(store, 'blobs/sha256', hex);
  await run(['mv', staged, path]);
  seal(path, options.user);
  return { store, hex, path };
}

async function measureReads(context, user) {
  const { store, hex, path } = await storeWithBlob(context, user ? 'read-user' : 'read', { user });
  await run(['sync', '-f', context.disk]);
  await read(path);
  const cas = async (...options) => readTwice(await mountCas(context, store, { options, user }), hex, user);
  const systems = {
    disk: async () => ({ first: await read(path, user), second: await read(path, user) }),
    'cas-mount': () => cas('--transport', 'kernel'),
    bindfs: async () => readTwice(await mountBindfs(context, store, { user }), hex, user),
    ...(!user && {
      'cas-mount, fuse-native': () => cas('--transport', 'fuse-native'),
      ...(context.passthrough.program && {
        [context.passthrough.name]: async () => readTwice(await mountPassthrough(context, store), hex),
      }),
    }),
  };
  const results = await interleave(context, context.repeats, systems);
  const rate = context.sizes.large / 1e9;
  const who = user ? 'user' : 'root';
  const bars = user ? { first: '>= 0.7', second: '>= 2' } : { first: '>= 0.9', second: '>= 0.9' };
  const reference = user ? 'bindfs' : 'disk';
  return ['first', 'second'].flatMap((key) =>
    Object.entries(results).map(([system, result]) =>
      line(`${key} read of ${context.large}, ${who}`, system, result, key, {
        unit: 'GB/s',
        rate,
        ...(system !== reference && { against: [reference, results[reference]] }),
        ...(system === 'cas-mount' && { bar: bars[key] }),
      }),
    ),
  );
}

/** `read`: as root, where the kernel may pass reads through; `read-user`: without. */
export const rows = {
  read: (context) => measureReads(context, false),
  'read-user': (context) => {
    if (process.getuid() !== 0 && !existsSync('/dev/fuse')) throw new Error('/dev/fuse is not there');
    openFuseToUsers();
    return measureReads(context, true);
  },
};
