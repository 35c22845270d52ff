import fs from 'node:fs';
import test, { type ExecutionContext } from 'ava';
import { layerImage, PUSH_IMAGE } from '../e2e/layer-image.js';
import { Mount } from '../e2e/mount.js';
import { type Check, checkOf } from '../e2e/suite.js';
import { AS_ROOT, type Variant } from '../e2e/variants.js';
import { isAlive } from '../src/process/site.js';
import { idleDescriptors, keptDescriptors } from './daemon-process.js';
import { FULL, LIMIT, type Random, randomFor } from './form.js';
import { wrongBlobs } from './invariants.js';
import { program } from './program.js';

/*
 * F13: random operations. On an ingest they do what a file in memory does; on any path they are answered, nothing of it
 * breaks the daemon or what the store holds; and what nobody may change says so by exact errnos.
 */

/** How many operations each process makes on ingests, and how many calls on any paths, in each round. */
const OPERATIONS = 1500;
const CALLS = 2000;
const ROUNDS = FULL ? 25 : 1;
const PROCESSES = 3;

const image = layerImage();

/** A mount that has the image of three layers in a stack, and a blob that is in use. */
async function mounted(t: ExecutionContext, variant: Variant): Promise<Check> {
  t.timeout(LIMIT);
  const mount = await Mount.of(variant);
  t.teardown(() => mount.close());
  const check = checkOf(t, mount);
  await check.sh(PUSH_IMAGE, image);
  return check;
}

/** All is as it should be: the daemon is the same and sound, its descriptors are closed, the bytes are right. */
async function sound(
  { t, mount, sh }: Check,
  chain: string,
  daemon: number,
  descriptors: number,
): Promise<void> {
  t.is(mount.site.daemon, daemon);
  t.true(isAlive(daemon));
  t.is((await mount.status()).defects, 0);
  t.is(await wrongBlobs(mount.site.store), '');
  await sh('cmp "layers/sha256/$chain.tar" "$image/3.tar"', { ...image, chain });
  t.deepEqual(await keptDescriptors(daemon, mount.site.store, descriptors), []);
}

/** The ChainID of the image's three layers, before others are put on top. */
async function chainOf({ sh }: Check): Promise<string> {
  return (await sh('basename "$(readlink -f stacks/image/3)"')).trim();
}

/** Runs a program in so many processes at once; what each one said. */
async function atOnce(
  { mount }: Check,
  random: Random,
  script: string,
  variables: NodeJS.ProcessEnv,
): Promise<string[]> {
  const runs = Array.from({ length: PROCESSES }, (_, me) =>
    mount.run(script, { ...variables, me: `${me}`, seed: `${random.between(1, 2 ** 30)}` }),
  );
  const results = await Promise.all(runs);
  return results.map(({ code, stdout, stderr }) => `${stdout}${stderr}exit code ${code}`);
}

/** Paths for random calls; what begins with `!` is not unlinked, so that it can be compared. */
function pathsFor(files: readonly string[], blob: string): string[] {
  const hex = '0123456789abcdef'.repeat(4);
  const ingests = ['a', 'b', 'd', 'd/e', 'd/e/f', 'é', 'x'.repeat(255)].map((name) => `ingest/${name}`);
  const blobs = [
    `!${blob}`,
    `blobs/sha256/${hex}`,
    'blobs/sha256/.t',
    'blobs/sha256/u.tmp',
    'blobs/md5/x',
    'blobs/sha512',
  ];
  const fixed = [
    '',
    '!blobs',
    '!blobs/sha256',
    'ingest',
    'layers',
    'layers/sha256',
    'images',
    'images/x',
    'index.json',
  ];
  const told = [
    '.cas',
    '.cas/version',
    '.cas/stats',
    '.cas/status',
    '.cas/status/a.json',
    '.cas/status-root',
    '.cas/als',
  ];
  const free = [
    't',
    'u',
    '.umoci-d',
    '.umoci-d/t',
    'oci-layout',
    'stacks',
    'stacks/s',
    'stacks/s/1',
    'stacks/s/t',
  ];
  const wrong = [
    `ingest/${'x'.repeat(256)}`,
    'ingest/\u{1}',
    'no/such',
    'ingest/a/b',
    `layers/sha256/${hex}`,
  ];
  const names = [
    'image',
    'image/1',
    'image/rootfs',
    ...files.map((file) => `image/rootfs/${file}`),
    'image/rootfs/new',
  ];
  return [
    ...ingests,
    ...ingests,
    ...blobs,
    ...fixed,
    ...told,
    ...free,
    ...free,
    ...wrong,
    ...names.map((name) => `!stacks/${name}`),
  ];
}

/** What the kernel says of a change before anybody looks at the file system. All else is EROFS, but for {@link othersFor}. */
const KERNEL: Readonly<Record<string, string>> = {
  'open-exclusive': 'EEXIST',
  'mkdir-there': 'EEXIST',
  'link-out': 'EEXIST',
  write: 'EBADF',
  ftruncate: 'EINVAL',
  fallocate: 'EBADF',
  map: 'EACCES',
};

/** Files of `.cas/` have no attributes and cannot be mapped, and a fixed directory is in use. */
const TOLD = { map: 'ENODEV', setxattr: 'EOPNOTSUPP', removexattr: 'EOPNOTSUPP' };

/** What differs from {@link KERNEL} in each directory. `layers/` is another mount where the transport makes one. */
function othersFor({ transport }: Variant): Readonly<Record<string, Readonly<Record<string, string>>>> {
  const moved: Record<string, string> = transport === 'kernel' ? { 'rename-in': 'EXDEV' } : {};
  return {
    'layers/sha256/CHAIN/etc': moved,
    'layers/sha256': moved,
    '.cas': { ...TOLD, rmdir: 'EBUSY' },
    '.cas/status': TOLD,
  };
}

for (const variant of AS_ROOT) {
  test.serial(`${variant.name}: random operations on ingests do what they do in memory`, async (t) => {
    const random = randomFor(t);
    const check = await mounted(t, variant);
    const { daemon, store } = check.mount.site;
    const descriptors = await idleDescriptors(daemon, store);
    const script = `[[ $me != 2 ]] || mkdir -p .fsx; places=(ingest/fsx fsx .fsx/f); "$fsx" . "\${places[me]}" "$seed" "$operations"`;
    const variables = { fsx: await program('fsx'), operations: `${OPERATIONS}` };
    for (let round = 0; round < ROUNDS; round++)
      for (const lines of await atOnce(check, random, script, variables))
        t.regex(lines, /^\d+ commits\nexit code 0$/);
    await sound(check, await chainOf(check), daemon, descriptors);
  });

  test.serial(`${variant.name}: random calls on all paths break nothing`, async (t) => {
    const random = randomFor(t);
    const check = await mounted(t, variant);
    const { mount, source, sh } = check;
    const { daemon, store } = mount.site;
    const { src, blob } = await source();
    const chain = await chainOf(check);
    await sh('cp "$src" "$blob"', { src, blob });
    const descriptors = await idleDescriptors(daemon, store);
    const files = (await sh(`cd stacks/image/rootfs; find . -mindepth 1 -printf '%P\\n' | sed -n 1,40p`))
      .trim()
      .split('\n');
    fs.writeFileSync(
      `${mount.scratch}/paths`,
      pathsFor(files, blob)
        .map((path) => `${path}\n`)
        .join(''),
    );
    const script = '"$calls" "$mountpoint" "$seed" "$count" < "$scratch/paths"';
    const variables = { calls: await program('random-calls'), count: `${CALLS}` };
    for (let round = 0; round < ROUNDS; round++)
      for (const lines of await atOnce(check, random, script, variables))
        t.is(lines, `${CALLS} calls\nexit code 0`);
    await sh('cmp "$src" "$blob"', { src, blob });
    await sound(check, chain, daemon, descriptors);
  });

  test.serial(`${variant.name}: nothing is read beyond the end of any text`, async (t) => {
    const { mount, sh } = await mounted(t, variant);
    const script = `
      echo x > ingest/j
      for text in .cas/version .cas/stats .cas/status/j.json index.json oci-layout ingest/j; do
        for skip in 1000000 1000000000000000; do
          is "$(dd if="$text" bs=1 skip=$skip count=1 2> "$scratch/said" | wc -c)" 0
          [[ $(cat "$scratch/said") != *error* ]]
        done
      done`;
    await sh(script);
    t.is((await mount.status()).defects, 0);
  });

  test.serial(
    `${variant.name}: every change of what nobody may change is refused by its errno`,
    async (t) => {
      const check = await mounted(t, variant);
      const { sh } = check;
      const calls = await program('view-calls');
      await sh('echo x > ingest/outside; echo x > ingest/j');
      const chain = await chainOf(check);
      const places: [string, string][] = [
        [`layers/sha256/${chain}/etc/kept`, `layers/sha256/${chain}/etc`],
        [`layers/sha256/${chain}.tar`, 'layers/sha256'],
        ['.cas/version', '.cas'],
        ['.cas/status/j.json', '.cas/status'],
      ];
      const all: Record<string, Record<string, string>> = {};
      for (const [file, directory] of places) {
        const said = await sh('"$calls" "$file" "$directory" ingest/outside', { calls, file, directory });
        const errnos = Object.fromEntries(
          said
            .trim()
            .split('\n')
            .map((line) => line.split(' ') as [string, string]),
        );
        const others = Object.entries(errnos).filter(([call, errno]) => errno !== (KERNEL[call] ?? 'EROFS'));
        all[directory.replace(chain, 'CHAIN')] = Object.fromEntries(others);
      }
      t.deepEqual(all, othersFor(variant));
    },
  );
}
