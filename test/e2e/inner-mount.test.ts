import { once } from 'node:events';
import fs from 'node:fs';
import { CAS_MOUNT, isAlive, run, until } from '../src/process/site.js';
import { Mount } from './mount.js';
import { type Check, checkOf, eachAlone, type Rules, succeeded } from './suite.js';
import { AS_ROOT } from './variants.js';

/** The transport that mounts the layers once more within its mount. */
const KERNEL = AS_ROOT.filter(({ transport }) => transport === 'kernel');

/** How long, in milliseconds, umount may be told that the mount is busy after its last use. */
const PATIENCE = 60_000;

/** Makes the stack `s`, of a layer with a small and a large file and many names, and sets `view` to its tree. */
const STACK = `
  if [[ ! -e stacks/s ]]; then
    mkdir -p "$scratch/d/many"
    echo small > "$scratch/d/small"
    seq 300000 > "$scratch/d/large"
    (cd "$scratch/d/many" && touch {1..300})
    tar -C "$scratch/d" -cf ingest/x .
    mv ingest/x "$mountpoint/stacks/s" 2> /dev/null || { mkdir stacks/s; mv ingest/x stacks/s/; }
  fi
  view=$mountpoint/stacks/s/rootfs
  inner() { grep -c " $mountpoint/layers " /proc/self/mountinfo || true; }
  # It is there as long as it is used, however late it is asked for, and is let go of here.
  look() { exec 9< "$view/small"; cat <&9 > /dev/null; is "$(inner)" 1; exec 9<&-; }
  await_gone() { until [[ $(inner) == 0 ]]; do sleep 0.05; done; }
`;

/** Waits until the mount of the layers is gone. */
function gone({ mount }: Check): Promise<void> {
  return until('the mount of the layers is gone', () => !mount.site.mountedAt('layers'));
}

/** Asserts that umount succeeds within a moment of the last use, and that the daemon ends. */
async function unmountsSoon({ t, mount }: Check): Promise<void> {
  const pid = mount.site.daemon;
  const started = performance.now();
  let last = await run('umount', [mount.mountpoint]);
  while (last.code !== 0 && performance.now() - started < PATIENCE)
    last = await run('umount', [mount.mountpoint]);
  succeeded(t, last);
  t.log(`unmounted after ${Math.round(performance.now() - started)} ms`);
  await until('the daemon is gone', () => !isAlive(pid));
  t.false(mount.site.mounted);
}

async function other({ t, variant }: Check): Promise<Check> {
  const mount = await Mount.of(variant);
  t.teardown(() => mount.close());
  return checkOf(t, mount);
}

const rules: Rules = {
  'it is there from the first look, is gone a moment after the last, and comes again': async (check) => {
    const { t, sh } = check;
    await sh(`${STACK} inner > /dev/null`);
    await gone(check);
    for (let round = 0; round < 3; round++) {
      await sh(
        `${STACK} look; ls -lR "$view/" | tail -n 1 > /dev/null; cmp "$view/large" "$scratch/d/large"`,
      );
      await gone(check);
    }
    await sh(`${STACK}
      chain=$(basename "$(readlink "$view")")
      # What has been looked at is remembered from one mount to the next.
      inode=$(stat -Lc %i "$view/small")
      for round in 1 2 3 4 5; do
        sleep 0.25
        is "$(stat -c %i "layers/sha256/$chain/small" "$view/small")" "$inode"$'\\n'"$inode"
        is "$(ls "layers/sha256/$chain/many" | wc -l)" 300
      done`);
    t.is((await check.mount.status()).defects, 0);
    await unmountsSoon(check);
  },

  'umount right after a look succeeds within a moment': async (check) => {
    await check.sh(`${STACK} look`);
    await unmountsSoon(check);
    await check.mount.mount();
    await check.sh(`${STACK} look`);
    await unmountsSoon(check);
  },

  'umount -R right after a look succeeds at once': async (check) => {
    const { t, mount, sh } = check;
    await sh(STACK);
    const pid = mount.site.daemon;
    // The mount of the layers may go by itself between the look of umount at what there is, and its turn.
    await sh(`${STACK} look; cd /
      said=$(umount -R "$mountpoint" 2>&1) || { [[ $said == *"$mountpoint/layers"*'not mounted'* ]]; umount "$mountpoint"; }`);
    await until('the daemon is gone', () => !isAlive(pid));
    t.false(mount.site.mounted);
  },

  'a process that is in it keeps both mounts; once it is out, they go': async (check) => {
    const { t, mount, sh } = check;
    await sh(STACK);
    const child = mount.start(`${STACK} cd "$view/"; exec 3< small; cat <&3; read -r; cat large | wc -l`);
    const lines: string[] = [];
    child.stdout?.setEncoding('utf8').on('data', (text: string) => lines.push(text));
    await until('it is there', () => lines.join('') === 'small\n');
    await new Promise((resolve) => setTimeout(resolve, 500));
    t.true(mount.site.mountedAt('layers'));
    t.regex((await run('umount', [mount.mountpoint])).stderr, /busy/);
    child.stdin?.write('go\n');
    await once(child, 'close');
    t.is(lines.join(''), 'small\n300000\n');
    await gone(check);
    await unmountsSoon(check);
  },

  'SIGTERM right after a look ends the daemon; while it is used, it says who uses it': async (check) => {
    const { t, mount, sh } = check;
    await sh(`${STACK} look`);
    const pid = mount.site.daemon;
    process.kill(pid, 'SIGTERM');
    await until('the daemon is gone', () => !isAlive(pid));
    t.false(mount.site.mounted);
    t.false(mount.site.mountedAt('layers'));

    await mount.mount();
    const child = mount.start(`${STACK} cd "$view/"; echo in; read -r`);
    await once(child.stdout ?? child, 'data');
    const again = mount.site.daemon;
    process.kill(again, 'SIGTERM');
    const said = 'the mount is busy and stays; a second signal detaches it';
    await until('it says who', () => mount.site.logged(said) !== undefined);
    t.true(
      JSON.stringify(mount.site.logged(said)).includes(`${child.pid}`),
      JSON.stringify(mount.site.logged(said)),
    );
    t.true(isAlive(again));
    await sh(`${STACK} cmp "$view/large" "$scratch/d/large"`);
    process.kill(again, 'SIGTERM');
    await until('the daemon is gone', () => !isAlive(again));
    t.false(mount.site.mounted);
    t.false(mount.site.mountedAt('layers'));
    child.kill('SIGKILL');
  },

  'after kill -9 with it in place the next cas-mount mounts, and all is there': async (check) => {
    const { t, mount, sh } = check;
    await sh(`${STACK} look`);
    const child = mount.start(`${STACK} cd "$view/"; echo in; read -r; timeout 60 cat small 2>&1 || true`);
    const lines: string[] = [];
    child.stdout?.setEncoding('utf8').on('data', (text: string) => lines.push(text));
    await until('it is there', () => lines.join('') === 'in\n');
    t.true(mount.site.mountedAt('layers'));
    await mount.kill();
    t.true(mount.site.mountedAt('layers'));
    await mount.mount();
    t.false(mount.site.mountedAt('layers'));
    await sh(`${STACK} cmp "$view/large" "$scratch/d/large"; look`);
    child.stdin?.write('go\n');
    await once(child, 'close');
    t.regex(lines.join(''), /^in\n(small|.*(not connected|No such file|connection abort).*)\n$/);
    await unmountsSoon(check);
  },

  'umount -l with it in place ends the daemon once nobody is in it': async (check) => {
    const { t, mount, sh } = check;
    await sh(`${STACK} look`);
    const pid = mount.site.daemon;
    t.is((await run('umount', ['-l', mount.mountpoint])).code, 0);
    await until('the daemon is gone', () => !isAlive(pid));
    t.false(mount.site.mountedAt('layers'));
    await mount.mount();
    await sh(`${STACK} look`);
  },

  'one that is in it when the mount is detached can go on': async (check) => {
    const { t, mount, sh } = check;
    await sh(STACK);
    const child = mount.start(
      `${STACK} cd "$view/"; exec 3< small; echo in; read -r; cat <&3; cat large | wc -l`,
    );
    const lines: string[] = [];
    child.stdout?.setEncoding('utf8').on('data', (text: string) => lines.push(text));
    await until('it is there', () => lines.join('') === 'in\n');
    const pid = mount.site.daemon;
    t.is((await run('umount', ['-l', mount.mountpoint])).code, 0);
    await new Promise((resolve) => setTimeout(resolve, 500));
    child.stdin?.write('go\n');
    await once(child, 'close');
    await until('the daemon is gone', () => !isAlive(pid));
    t.is(lines.join(''), 'in\nsmall\n300000\n');
  },

  'a mount that was detached lazily leaves alone what is mounted at its path since': async (check) => {
    const { t, mount, sh } = check;
    await sh(`${STACK} look`);
    const child = mount.start(`${STACK} cd stacks; echo in; read -r; cat s/rootfs/small; echo out; read -r`);
    let said = '';
    child.stdout?.setEncoding('utf8').on('data', (text: string) => (said += text));
    await until('it is there', () => said === 'in\n');
    await gone(check);
    const pid = mount.site.daemon;
    t.is((await run('umount', ['-l', mount.mountpoint])).code, 0);

    const store = `${mount.scratch}/store`;
    const args = [CAS_MOUNT, '--root', store, '--transport', 'kernel', mount.mountpoint];
    succeeded(t, await run(process.execPath, args));
    const second = (JSON.parse(fs.readFileSync(`${store}/lock`, 'utf8')) as { pid: number }).pid;
    child.stdin?.write('go\n');
    await until('it has looked', () => said.endsWith('out\n'));
    t.is(said, 'in\nsmall\nout\n');
    t.false(mount.site.mountedAt('layers'));
    await sh('is "$(ls layers/sha256)" ""');
    child.kill('SIGKILL');
    await until('the daemon is gone', () => !isAlive(pid));
    t.is((await run('umount', [mount.mountpoint])).code, 0);
    await until('the second daemon is gone', () => !isAlive(second));
  },

  'an overlay above layers keeps them when their mount goes': async (check) => {
    const { t, mount, sh } = check;
    const { scratch } = mount;
    t.teardown(() => run('umount', ['-q', '-l', `${scratch}/merged`]));
    await sh(`${STACK}
      mkdir "$scratch/merged" "$scratch/empty"
      mount -t overlay overlay -o "lowerdir=$(readlink -f "$view"):$scratch/empty" "$scratch/merged"
      cmp "$scratch/merged/large" "$scratch/d/large"`);
    const pid = mount.site.daemon;
    await gone(check);
    t.is((await run('umount', [mount.mountpoint])).code, 0);
    const said = 'the mount is gone, but its layers are in use; they are served until that ends';
    await until('it says so', () => mount.site.logged(said) !== undefined);
    succeeded(t, await run('cmp', [`${scratch}/merged/large`, `${scratch}/d/large`]));
    succeeded(t, await run('ls', ['-lR', `${scratch}/merged`]));
    succeeded(t, await run('umount', [`${scratch}/merged`]));
    await until('the daemon is gone', () => !isAlive(pid));
    t.is(mount.site.logged('unmounted')?.['level'], 'info');
  },

  'two daemons on two mountpoints do not meet': async (check) => {
    const { sh } = check;
    const second = await other(check);
    await Promise.all([sh(`${STACK} look`), second.sh(`${STACK} look`)]);
    await second.sh(`${STACK} rmdir stacks/s; is "$(ls layers/sha256)" ''`);
    await sh(`${STACK} look; cmp "$view/large" "$scratch/d/large"`);
    await unmountsSoon(second);
    await sh(`${STACK} look; cmp "$view/large" "$scratch/d/large"`);
  },

  'looking all the time, by several, while layers come and go, finds only what is there': async (check) => {
    const { t, mount, sh } = check;
    await sh(STACK);
    const script = `${STACK}
      for round in {1..150}; do
        cmp "$view/small" "$scratch/d/small"
        is "$(ls "$view/many" | wc -l)" 300
        (( round % 10 )) || sleep 0.22
      done`;
    const changes = `${STACK}
      for round in {1..25}; do
        mkdir -p stacks/t "$scratch/t"
        echo $round > "$scratch/t/round"
        tar -C "$scratch/t" -cf ingest/t round
        mv ingest/t stacks/t/
        is "$(cat stacks/t/rootfs/round)" $round
        is "$(ls layers/sha256 | wc -l)" 4
        rmdir stacks/t
        is "$(ls layers/sha256 | wc -l)" 2
      done`;
    const results = await Promise.all([mount.run(script), mount.run(script), mount.run(changes)]);
    for (const result of results) succeeded(t, result);
    t.is((await mount.status()).defects, 0);
    await unmountsSoon(check);
  },

  'in a mount namespace of its own, made before or after, the layers are there as well': async (check) => {
    const { sh } = check;
    await sh(`${STACK}
      await_gone
      is "$(unshare -m cat "$view/small")" small
      look
      is "$(unshare -m cat "$view/small")" small`);
    await unmountsSoon(check);
  },

  'options of the mount are those of its layers': async (check) => {
    await check.mount.unmount();
    await check.mount.mount(['-o', 'allow_other,noexec']);
    await check.sh(`${STACK} look
      exec 9< "$view/small"
      options=$(grep " $mountpoint/layers " /proc/self/mountinfo)
      exec 9<&-
      for option in ro nosuid nodev noexec allow_other; do [[ $options == *[\\ ,]$option[\\ ,]* || $options == *,$option ]]; done
      is "$(setpriv --reuid=12345 --regid=12345 --clear-groups cat "$view/small")" small`);
  },
};

eachAlone(KERNEL, rules);
