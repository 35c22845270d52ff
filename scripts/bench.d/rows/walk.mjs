// Many blobs at once: reading small ones, and listing a large directory.
import { join } from 'node:path';
import { layBlobs, makeStore } from '../blobs.mjs';
import { settle } from '../disk.mjs';
import { interleave, line } from '../measure.mjs';
import { mountBindfs, mountCas, mountPassthrough } from '../mounts.mjs';
import { timed } from '../run.mjs';

const SIZE = 4096;

/** Times `shell` in blobs/sha256, as `first` through a mount that has not seen it and `again`. */
async function walk(context, { name, count, what, shell }) {
  const store = await makeStore(context, name);
  layBlobs(store, name, count, SIZE);
  await settle(context);
  const time = (directory) => timed(`cd "$1/blobs/sha256" && ${shell}`, [directory]);
  const twice = async (mount) => {
    try {
      return { first: await time(mount.mountpoint), again: await time(mount.mountpoint) };
    } finally {
      await mount.unmount();
    }
  };
  await time(store);
  const results = await interleave(context, context.repeats, {
    disk: async () => ({ first: await time(store), again: await time(store) }),
    'cas-mount': async () => twice(await mountCas(context, store)),
    bindfs: async () => twice(await mountBindfs(context, store)),
    ...(context.passthrough.program && {
      [context.passthrough.name]: async () => twice(await mountPassthrough(context, store)),
    }),
    'cas-mount, fuse-native': async () =>
      twice(await mountCas(context, store, { options: ['--transport', 'fuse-native'] })),
  });
  return ['first', 'again'].flatMap((key) =>
    Object.entries(results).map(([system, result]) =>
      line(`${what}, ${key}`, system, result, key, {
        unit: 's',
        ...(system !== 'disk' && { against: ['disk', results.disk] }),
      }),
    ),
  );
}

export const rows = {
  'read-small': (context) =>
    walk(context, {
      name: 'read-small',
      count: context.sizes.small,
      what: `cat of ${context.sizes.small} files of 4 KiB`,
      shell: 'cat -- *',
    }),
  list: (context) =>
    walk(context, {
      name: 'list',
      count: context.sizes.listed,
      what: `ls -l of ${context.sizes.listed} blobs`,
      shell: 'ls -l',
    }),
};
