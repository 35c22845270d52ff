import fs from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Mount, Status } from './mount.js';
import { type Check, eachAlone, type Rules, suite } from './suite.js';
import { ALL, AS_ROOT } from './variants.js';

const NAMES = 20_000;

/** Puts so many blobs of one byte into a store that is not mounted. Nothing ever reads them. */
function fill({ site, variant }: Mount): void {
  const directory = join(site.store, 'blobs', 'sha256');
  fs.mkdirSync(directory, { recursive: true });
  const owner = fs.statSync(site.mountpoint);
  if (variant.user)
    for (const path of [site.store, join(site.store, 'blobs'), directory])
      fs.chownSync(path, owner.uid, owner.gid);
  const first = join(directory, name(0));
  fs.writeFileSync(first, 'x', { mode: 0o444 });
  if (variant.user) fs.chownSync(first, owner.uid, owner.gid);
  for (let index = 1; index < NAMES; index++) fs.linkSync(first, join(directory, name(index)));
}

/** A name as long as a digest. */
function name(index: number): string {
  return index.toString(16).padStart(64, '0');
}

/** Lets the kernel forget all it may, until the daemon knows few nodes. */
async function afterForgetting({ mount }: Check): Promise<Status> {
  for (let tries = 0; ; tries++) {
    fs.writeFileSync('/proc/sys/vm/drop_caches', '2');
    const status = await mount.status();
    const { inodes, files, pending } = status.counts;
    if ((inodes < 100 && files + pending === 0) || tries === 100) return status;
    await sleep(50);
  }
}

const many: Rules = {
  'what the kernel has forgotten, the daemon forgets: its memory does not grow with the names it was asked for':
    async (check) => {
      const { t, mount, sh } = check;
      const used: number[] = [];
      for (let round = 0; round < 3; round++) {
        t.is(await sh('cd blobs/sha256; stat -c %a [0-9a-f]* | sort -u'), '444\n');
        const { inodes } = (await mount.status()).counts;
        t.true(inodes > NAMES / 2, `${inodes} nodes are known`);
        const { counts, memory } = await afterForgetting(check);
        t.true(counts.inodes < 100, `${counts.inodes} nodes are left`);
        t.is(counts.files + counts.pending, 0);
        used.push(memory.rss);
      }
      const [first = 0, , last = 0] = used;
      t.true(last - first < 32 << 20, used.map((bytes) => `${bytes >> 20} MiB`).join());
    },
};

const rules: Rules = {
  'content is passed through where that can be': async ({ t, answers, mount }) => {
    const { passthrough, transport } = await mount.status();
    t.is(passthrough, answers.passthrough);
    t.is(transport, mount.variant.transport);
  },

  'many read one blob at the same time, and each reads all of it': async ({ source, sh }) => {
    const script = `
      cp "$src" "ingest/$ref"
      mv "ingest/$ref" "$blob"
      exec 3< "$blob" 4< "$blob" 5< "$blob"
      for round in {1..20}; do head -c 40000 <&3; head -c 1 <&4 > /dev/null; done | cmp - <(head -c 800000 "$src")
      cmp <(cat <&3) <(tail -c +800001 "$src")
      cmp <(cat <&4) <(tail -c +21 "$src")
      for reader in {1..8}; do
        { cat "$blob" "$blob" | cmp - <(cat "$src" "$src"); } &
        readers+=($!)
      done
      for reader in "\${readers[@]}"; do wait $reader; done
      cmp <(cat <&5) "$src"
      exec 3<&- 4<&- 5<&-
      is "$(call map-private "$blob" | sha256sum | head -c 64)" "$hex"
      cmp "$src" "$blob"`;
    await sh(script, await source(3_000_000));
  },

  'nothing that was read of an ingest is seen of its blob': async ({ source, sh }) => {
    const [{ src: old }, { src: middle }, now] = [await source(), await source(), await source()];
    const script = `
      cp "$old" "ingest/$ref"
      exec 3< "ingest/$ref"
      cmp <(head -c 100000 <&3) <(head -c 100000 "$old")
      is "$(call map-private "ingest/$ref" | sha256sum)" "$(sha256sum < "$old")"
      dd if="$middle" of="ingest/$ref" conv=notrunc status=none
      is "$(call map-private "ingest/$ref" | sha256sum)" "$(sha256sum < "$middle")"
      dd if="$src" of="ingest/$ref" conv=notrunc status=none
      mv "ingest/$ref" "$blob"
      cmp "$src" "$blob"
      is "$(call map-private "$blob" | sha256sum | head -c 64)" "$hex"
      cmp <(cat <&3) <(tail -c +100001 "$src")`;
    await sh(script, { ...now, old, middle });
  },

  'a name appears with its commit and goes with its removal, whoever had asked for it': async ({
    source,
    sh,
  }) => {
    const script = `
      for round in 1 2 3; do
        [[ ! -e $blob ]]
        fails 'No such file' cat "$blob"
        is "$(ls blobs/sha256 | grep -c "$hex" || true)" 0
        cp "$src" "ingest/$ref"
        before=$(stat -c %s "ingest/$ref")
        is "$before" "$(stat -c %s "$src")"
        mv "ingest/$ref" "$blob"
        [[ -e $blob ]]
        fails 'No such file' stat "ingest/$ref"
        is "$(ls blobs/sha256 | grep -c "$hex" || true)" 1
        cmp "$src" "$blob"
        rm -f "$blob"
      done`;
    await sh(script, await source());
  },

  'an ingest is seen at its length, while it grows and is cut': async ({ sh }) => {
    const script = `
      exec 3> "ingest/$ref"
      for size in 1 2 3 4 5 6 7 8; do
        echo line >&3
        is "$(stat -c %s "ingest/$ref") $(wc -l < "ingest/$ref")" "$((size * 5)) $size"
      done
      exec 3>&-
      truncate -s 7 "ingest/$ref"
      is "$(stat -c %s "ingest/$ref")$(cat "ingest/$ref")" "7line
li"`;
    await sh(script);
  },

  'df and stat -f: the disk below is shown': async ({ sh }) => {
    const script = `
      is "$(stat -f -c '%S %b %c' .)" "$(stat -f -c '%S %b %c' "$store")"
      is "$(df --output=size -k . | tail -1)" "$(df --output=size -k "$store" | tail -1)"
      is "$(df --output=itotal . | tail -1)" "$(df --output=itotal "$store" | tail -1)"
      is "$(df --output=fstype,source . | tail -1 | tr -s ' ')" "fuse.cas-mount $store"`;
    await sh(script);
  },

  'blobs have the inode numbers of the files below, before and after a remount': async ({
    mount,
    variant,
    source,
    sh,
    t,
  }) => {
    const { blob, src, hex } = await source();
    await sh(
      'cp "$src" "$blob"; mkdir -p -m 0700 ingest/kept/deep; touch -d 2001-01-01 ingest/kept; echo part > ingest/kept/x',
      {
        src,
        blob,
      },
    );
    const numbers = `stat -c '%i %s %a %h %Y %W' "$blob"; ls -i blobs/sha256 | grep "$hex"; stat -c %i ingest/kept/x`;
    const before = await sh(numbers, { blob, hex });
    const { ino } = fs.statSync(join(mount.site.store, blob));
    t.true(before.startsWith(`${ino} `), before);
    await mount.restart();
    t.is(await sh(numbers, { blob, hex }), before);
    await sh('cmp "$src" "$blob"; is "$(cat ingest/kept/x)" part; is "$(stat -c %a ingest/kept/deep)" 755', {
      src,
      blob,
    });
    t.is(variant.user, (await sh('id -u')) !== '0\n');
  },
};

suite(ALL, rules);
// Who asks is none of it: each name is one more node, whoever has looked it up.
// Within so small a heap garbage is collected in time, and what is kept by mistake ends the daemon.
eachAlone(AS_ROOT, many, { prepare: fill, env: { NODE_OPTIONS: '--max-old-space-size=64' } });
