import { execFile } from 'node:child_process';
import fs from 'node:fs';
import { createRequire } from 'node:module';
import { dirname } from 'node:path';
import { promisify } from 'node:util';
import test from 'ava';
import { CAS_MOUNT, type Result, run, Site } from '../src/process/site.js';
import { mountOnDisk, smallDisk } from './disk.js';
import { Mount } from './mount.js';
import { checkOf } from './suite.js';
import { ALL, AS_ROOT } from './variants.js';

const execute = promisify(execFile);
const MIB = 1 << 20;

for (const variant of ALL) {
  test.serial(`${variant.name}: a full disk is told to the writer, and costs nothing`, async (t) => {
    t.timeout(240_000);
    const mount = await mountOnDisk(t, variant, 40);
    const { source, sh } = checkOf(t, mount);
    const [kept, large] = [await source(), await source(12 * MIB)];
    await sh('cp "$src" "$blob"; is "$(stat -f -c "%S %b %c" .)" "$(stat -f -c "%S %b %c" "$store")"', kept);
    const { daemon, store } = mount.site;
    const { bavail, bsize } = fs.statfsSync(store);
    await execute('fallocate', ['-l', `${bavail * bsize - 5 * MIB}`, `${store}/ballast`]);
    const full = `
      fails 'No space left on device' dd if="$src" of=ingest/x bs=128k status=none
      size=$(stat -c %s ingest/x)
      (( size > 1000000 && size < 12000000 ))
      cmp -n $size ingest/x "$src"
      goes_on() { tail -c +$((size + 1)) "$src" | dd of=ingest/x bs=64k iflag=fullblock oflag=append conv=notrunc status=none; }
      fails 'No space left on device' goes_on
      cmp "$kept" "$keptBlob"
      ls -lR . > /dev/null
      fails 'Bad message' mv ingest/x "$blob"`;
    await sh(full, { ...large, kept: kept.src, keptBlob: kept.blob });
    t.is(mount.site.daemon, daemon);
    await mount.restart();
    fs.rmSync(`${store}/ballast`);
    const goesOn = `
      size=$(stat -c %s ingest/x)
      cmp -n $size ingest/x "$src"
      tail -c +$((size + 1)) "$src" >> ingest/x
      mv ingest/x "$blob"
      cmp "$src" "$blob"`;
    await sh(goesOn, large);
    t.is((await mount.status()).defects, 0);
    t.true(JSON.stringify(mount.site.log).includes('ENOSPC'));
  });

  test.serial(`${variant.name}: free space and inodes are those of the disk below`, async (t) => {
    const mount = await mountOnDisk(t, variant, 16);
    const { sh } = checkOf(t, mount);
    const script = `
      figures() { stat -f -c '%S %b %f %a %c %d' "$1"; }
      for round in 1 2; do
        sync -f "$store"
        # A daemon that has just mounted still makes files of its own.
        for try in {1..1200}; do
          shown=$(figures .) disk=$(figures "$store")
          [[ $shown != "$disk" ]] || break
          sleep 0.05
        done
        is "$shown" "$disk"
        head -c 2000000 /dev/zero > ingest/x
      done`;
    // The store of another is not to be looked into; root sees the disk all the same.
    if (!variant.user) await sh(script);
    else {
      const { stdout } = await mount.run("stat -f -c '%S %b %c' .");
      t.is(stdout, (await run('stat', ['-f', '-c', '%S %b %c', mount.site.store])).stdout);
    }
  });

  test.serial(`${variant.name}: a store that cannot be written is refused`, async (t) => {
    if (variant.user) {
      const prepare = ({ site }: Mount): void => fs.mkdirSync(site.store, 0o700);
      const refused = Mount.of(variant, { prepare });
      await t.throwsAsync(refused, {
        message:
          /^cas-mount: exit code 10: cas-mount: \S+store: the store cannot be read or written: found EACCES\n$/,
      });
      return;
    }
    const disk = await smallDisk(t, 16);
    await execute('mount', ['-o', 'remount,ro', disk]);
    const refused = Mount.of(variant, { prepare: ({ site }) => fs.symlinkSync(disk, site.store) });
    await t.throwsAsync(refused, {
      message:
        /^cas-mount: exit code 10: cas-mount: \S+: the store cannot be read or written: found EROFS\n$/,
    });
  });
}

/** Runs a script of bash in a mount namespace of its own. */
function apart(site: Site, script: string, variables: NodeJS.ProcessEnv = {}): Promise<Result> {
  const { mountpoint, store } = site;
  const env = { ...process.env, mountpoint, store, node: process.execPath, program: CAS_MOUNT, ...variables };
  return run('unshare', ['-m', 'bash', '-euc', script], { env });
}

const WITHOUT_LIBFUSE = `
  carried=(${dirname(createRequire(import.meta.url).resolve('fuse-native/package.json'))}/prebuilds/*/libfuse.so)
  for library in "\${carried[@]}" $(PATH=$PATH:/sbin ldconfig -p | awk '/libfuse.so.2 /{print $NF}'); do
    mount --bind /dev/null "$(readlink -f "$library")"
  done`;

test.serial('without libfuse 2 fuse-native says what to install, and auto takes the other', async (t) => {
  const site = new Site(t);
  const script = `${WITHOUT_LIBFUSE}
    "$node" "$program" --root "$store" --transport auto "$mountpoint"
    grep '"transport"' "$mountpoint/.cas/stats"
    umount "$mountpoint"
    "$node" "$program" --root "$store" --transport fuse-native "$mountpoint"`;
  const { code, stdout, stderr } = await apart(site, script);
  t.is(code, 32, stderr);
  t.regex(stdout, /^\s*"transport": "kernel",\n$/);
  t.regex(
    stderr,
    /^cas-mount: cannot mount here: fuse-native: libfuse\.so\.2 is missing: install the Debian package libfuse2[^\n]*\n$/,
  );
});

for (const { transport } of AS_ROOT) {
  test.serial(`${transport}: without /dev/fuse it says so, and leaves nothing`, async (t) => {
    const site = new Site(t);
    const script = `
      mount -t tmpfs none /dev
      mknod -m 666 /dev/null c 1 3
      mknod -m 666 /dev/urandom c 1 9
      "$node" "$program" --root "$store" --transport ${transport} "$mountpoint"`;
    const { code, stderr } = await apart(site, script);
    t.is(code, 32, stderr);
    t.regex(stderr, /^cas-mount: cannot mount here: \S+: \/dev\/fuse is missing \(modprobe fuse\)\n$/);
    t.false(fs.existsSync(site.store));
  });

  test.serial(`${transport}: a user who may not open /dev/fuse is told so`, async (t) => {
    const site = new Site(t);
    fs.chmodSync(site.directory, 0o777);
    const script = `
      mknod -m 600 "$mountpoint/../fuse" c 10 229
      mount --bind "$mountpoint/../fuse" /dev/fuse
      setpriv --reuid=65534 --regid=65534 --clear-groups \\
        "$node" "$program" --root "$store" --transport ${transport} "$mountpoint"`;
    const { code, stderr } = await apart(site, script);
    t.is(code, 32, stderr);
    t.regex(stderr, /^cas-mount: cannot mount here: \S+: this user may not open \/dev\/fuse\n$/);
  });
}
