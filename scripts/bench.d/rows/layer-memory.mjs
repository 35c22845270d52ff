// What a layer of very many entries costs the daemon in memory: when it is registered, per entry that has been looked
// at, and once the kernel has let go of all.
import { join } from 'node:path';
import { makeStore } from '../blobs.mjs';
import { dropCaches, settle } from '../disk.mjs';
import { interleave, line } from '../measure.mjs';
import { mountCas } from '../mounts.mjs';
import { run, timed } from '../run.mjs';
import { memoryOf, register, rootfs } from '../stacks.mjs';
import { manyNames, writeTar } from '../tars.mjs';

const LIMIT = { seconds: 600 };
const KIBIBYTE = 1024;

async function manyEntries(context) {
  const count = context.sizes.entries;
  const tar = join(context.disk, 'many.tar');
  writeTar(tar, manyNames(count));
  const plain = join(context.disk, 'many');
  await settle(context);
  const results = await interleave(context, 1, {
    disk: async () => {
      const unpack = 'mkdir "$2" && openssl dgst -sha256 "$1" && tar -C "$2" -xpf "$1" && sync -f "$2"';
      const registered = await timed(unpack, [tar, plain], LIMIT);
      await dropCaches(context);
      const listed = await timed('find "$1/" -ls', [plain], LIMIT);
      await run(['rm', '-rf', plain], LIMIT);
      return { registered, listed };
    },
    'cas-mount': () => ours(context, tar, count),
  });
  const ourResult = results['cas-mount'];
  const what = `${count} entries`;
  const memory = (label, key) =>
    line(`${what}, memory`, `cas-mount, ${label}`, ourResult, key, { unit: 'MiB' });
  return [
    line(`${what}, registered`, 'openssl sha256; tar -xp; sync', results.disk, 'registered', { unit: 's' }),
    line(`${what}, registered`, 'cas-mount', ourResult, 'registered', {
      unit: 's',
      against: ['disk', results.disk],
    }),
    line(`${what}, find -ls`, 'disk', results.disk, 'listed', { unit: 's' }),
    line(`${what}, find -ls`, 'cas-mount', ourResult, 'listed', {
      unit: 's',
      against: ['disk', results.disk],
    }),
    memory('before', 'before'),
    memory('most while it registers', 'during'),
    memory('registered', 'after'),
    memory('after find -ls', 'found'),
    memory('forgotten', 'forgotten'),
    line(`${what}, memory`, 'cas-mount, per entry looked at', ourResult, 'each', { unit: 'KiB' }),
  ];
}

async function ours(context, tar, count) {
  const mount = await mountCas(context, await makeStore(context, 'many-entries'));
  try {
    const before = memoryOf(mount).now;
    const registered = await register(mount, 'many', [tar]);
    const { now: after, most: during } = memoryOf(mount);
    await dropCaches(context);
    const listed = await timed('find "$1/" -ls', [rootfs(mount, 'many')], LIMIT);
    const found = memoryOf(mount).now;
    await dropCaches(context, 2);
    // The kernel forgets in requests without an answer; the status is asked for behind them.
    await run(['stat', '-f', mount.mountpoint]);
    const forgotten = memoryOf(mount).now;
    const each = ((found - after) * KIBIBYTE) / count;
    return { registered, listed, before, during, after, found, forgotten, each };
  } finally {
    await mount.unmount();
  }
}

export const rows = { 'layers-many': manyEntries };
