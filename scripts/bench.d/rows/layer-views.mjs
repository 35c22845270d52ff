// Views of stacks of layers against overlayfs over the same layers unpacked.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { makeStore } from '../blobs.mjs';
import { dropCaches, settle } from '../disk.mjs';
import { imageLayers, mountOverlay } from '../image.mjs';
import { interleave, line } from '../measure.mjs';
import { mountCas } from '../mounts.mjs';
import { timed } from '../run.mjs';
import { register, rootfs } from '../stacks.mjs';
import { manyNames, writeTar } from '../tars.mjs';

/** As many layers as a chain may have. */
const DEEPEST = 125;

const WALKS = {
  'tar -c': 'tar -C "$1" -cf - . | wc -c',
  'find -ls': 'find "$1/" -ls',
  // It says 1 where nothing is found.
  'grep -r': 'grep -rs "no such words" "$1" || [ $? = 1 ]',
};

/** A store with one stack, mounted: { at, unmount }; `at` throws where cas-mount has no layers. */
async function mountStack(context, name, tars) {
  const mount = await mountCas(context, await makeStore(context, name));
  const { error } = await register(mount, name, tars).then(
    () => ({}),
    (error) => ({ error }),
  );
  const at = () => {
    if (error) throw error;
    return rootfs(mount, name);
  };
  return { at, unmount: mount.unmount };
}

function against(key, results, what, options) {
  const [[reference], ...others] = Object.entries(results);
  return [
    line(what, reference, results[reference], key, options),
    ...others.map(([system, result]) =>
      line(what, system, result, key, { ...options, against: [reference, results[reference]] }),
    ),
  ];
}

async function views(context) {
  const tars = (await imageLayers(context)).map(({ path }) => path);
  const overlay = await mountOverlay(context, 'view-overlay', tars);
  const stack = await mountStack(context, 'view', tars);
  await settle(context);
  const lines = [];
  for (const [what, shell] of Object.entries(WALKS)) {
    const both = async (directory) => {
      await dropCaches(context);
      return {
        cold: await timed(shell, [directory], { seconds: 300 }),
        warm: await timed(shell, [directory], { seconds: 300 }),
      };
    };
    const results = await interleave(context, context.repeats, {
      overlayfs: () => both(overlay.mountpoint),
      'cas-mount': async () => both(stack.at()),
    });
    for (const key of ['cold', 'warm'])
      lines.push(...against(key, results, `${what} of 3 layers, ${key}`, { unit: 's' }));
  }
  await stack.unmount();
  await overlay.unmount();
  return lines;
}

async function depth(context) {
  const count = context.sizes.listed;
  const names = [...manyNames(count)];
  const list = join(context.base, 'names');
  writeFileSync(list, names.filter((name) => !name.endsWith('/')).join('\n'));
  const bottom = join(context.disk, 'bottom.tar');
  writeTar(bottom, names);
  const tars = [bottom];
  for (let layer = 1; layer < DEEPEST; layer++) {
    const tar = join(context.disk, `layer-${layer}.tar`);
    writeTar(tar, ['d0000/', `d0000/of-layer-${layer}`]);
    tars.push(tar);
  }
  const chains = { 1: [bottom], [DEEPEST]: tars };
  const systems = {};
  const open = [];
  for (const [layers, chain] of Object.entries(chains)) {
    const overlay = await mountOverlay(context, `depth-overlay-${layers}`, chain);
    const stack = await mountStack(context, `depth-${layers}`, chain);
    open.push(stack, overlay);
    // Names that the kernel knows are not looked up again; the files below stay in the page cache.
    const look = async (directory) => {
      await dropCaches(context, 2);
      return { seconds: await timed('cd "$1" && xargs -a "$2" stat -c %i', [directory, list]) };
    };
    systems[`overlayfs, ${layers} deep`] = () => look(overlay.mountpoint);
    systems[`cas-mount, ${layers} deep`] = async () => look(stack.at());
  }
  await settle(context);
  const results = await interleave(context, context.repeats, systems);
  for (const mount of open) await mount.unmount();
  return ['overlayfs', 'cas-mount'].flatMap((system) => {
    const [shallow, deep] = Object.keys(chains).map((layers) => `${system}, ${layers} deep`);
    return against(
      'seconds',
      { [shallow]: results[shallow], [deep]: results[deep] },
      `stat of ${count} names`,
      {
        unit: 's',
      },
    );
  });
}

export const rows = { 'layers-view': views, 'layers-depth': depth };
