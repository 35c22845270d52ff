import { layerImage, PUSH_IMAGE } from './layer-image.js';
import { type Check, type Rules, suite } from './suite.js';
import { AS_ROOT, LAYER_VARIANTS } from './variants.js';

const image = layerImage();

function inView({ sh }: Check, script: string, variables: NodeJS.ProcessEnv = {}): Promise<string> {
  return sh(PUSH_IMAGE + script, { ...image, ...variables });
}

/** Makes the stack `system`, of a layer in which busybox is, unless it is there. */
const PUSH_SYSTEM = `
  if [[ ! -e stacks/system ]]; then
    mkdir -p "$scratch/system/bin" "$scratch/system/etc" "$scratch/system/tmp"
    cp "$(command -v busybox)" "$scratch/system/bin/busybox"
    for name in sh cat ls echo; do ln -s busybox "$scratch/system/bin/$name"; done
    echo hello > "$scratch/system/etc/greeting"
    tar -C "$scratch/system" -cf "$scratch/system.tar" .
    mkdir stacks/system
    push "$scratch/system.tar" system
  fi
  system=$mountpoint/stacks/system/rootfs
`;

const rules: Rules = {
  'programs run from a view': async (check) => {
    const script = `
      is "$("$system/bin/busybox" echo yes)" yes
      is "$("$system/bin/sh" -c "cat '$system/etc/greeting'")" hello
      cmp "$system/bin/busybox" "$scratch/system/bin/busybox"
      for run in {1..20}; do "$system/bin/busybox" true & done
      wait`;
    await inView(check, PUSH_SYSTEM + script);
  },

  'files of a view are mapped into memory': async (check) => {
    const script = `
      python3 -c '
import mmap, sys
maps = []
for path in sys.argv[1:]:
    with open(path, "rb") as file:
        maps.append(mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ, flags=mmap.MAP_SHARED))
shown, want = maps
assert shown[-1] == want[-1] and shown[1234567:1300000] == want[1234567:1300000]
assert shown[:] == want[:]' "$rootfs/large" "$unpacked/large"
      cmp <(call map-private "$rootfs/large") "$unpacked/large"
      cmp <(call map-private "$(readlink -f "$rootfs").tar") "$image/3.tar"`;
    await inView(check, script);
  },

  'a view is not to be changed in any manner': async (check) => {
    const script = `
      refused() {
        local said
        if said=$("$@" 2>&1); then echo "succeeded: $*" >&2; return 1; fi
        [[ $said =~ $refusal ]] || { echo "$* said: $said" >&2; return 1; }
      }
      cd "$rootfs"
      refused overwrite etc/kept x
      refused append etc/kept x
      refused overwrite etc/new x
      refused truncate -s 0 etc/kept
      refused mkdir new
      refused mkfifo new
      refused rm -f etc/kept
      refused rm -rf etc
      refused rmdir opaque/deep
      refused mv etc/kept etc/other
      refused mv -T etc other
      refused ln etc/kept etc/other
      refused ln -s kept etc/other
      refused chmod 777 etc/kept
      refused chmod 777 etc
      refused touch etc/kept
      refused touch -d 2001-01-01 etc
      refused touch -h -d 2001-01-01 links/absolute
      refused setfattr -n user.new -v x bin/wall
      refused setfattr -x user.text attributes/binary
      refused cp /etc/hostname etc/kept
      refused cp "$unpacked/etc/kept" etc/new
      is "$(call map-shared etc/kept)" "$writable"
      cd "$mountpoint/layers/sha256"
      refused overwrite new x
      refused mkdir new
      refused rm -f "$top.tar"
      refused overwrite "$top.tar" x
      refused truncate -s 1 "$top.tar"
      refused chmod 777 "$top.tar"
      refused mv "$top.tar" other
      refused rmdir "$top"
      refused mv -T "$top" other
      refused ln "$top.tar" other
      refused ln -s "$top" other
      cd ..
      refused mkdir new
      refused overwrite new x
      refused rmdir sha256
      cd ..
      echo x > "ingest/$ref"
      refused mv "ingest/$ref" "layers/sha256/$top/etc/"
      refused mv "ingest/$ref" layers/sha256/
      refused ln "ingest/$ref" "layers/sha256/$top/etc/"
      rm "ingest/$ref"
      python3 "$walk" "$rootfs/" $readable > "$scratch/after"
      diff "$image/said\${readable:+-}$readable" "$scratch/after" >&2`;
    const { user } = check.variant;
    await inView(check, script, {
      refusal: 'Read-only file system|Invalid cross-device link|inter-device',
      writable: 'EROFS',
      readable: user ? 'readable' : '',
    });
  },

  'nothing leads out of a view but what the caller follows': async (check) => {
    const script = `
      is "$(readlink "$rootfs/links/absolute")" /etc/passwd
      cmp "$rootfs/links/absolute" /etc/passwd
      cmp "$rootfs/links/out" /etc/passwd
      fails 'No such file' cat "$rootfs/links/dangling"
      is "$(cat "$rootfs/links/relative")" kept
      is "$(cd -P "$rootfs/etc/../../$top/etc" && pwd -P)" "$(pwd -P)/layers/sha256/$top/etc"
      is "$(stat -c %i "$rootfs/..")" "$(stat -c %i layers/sha256)"
      is "$(cd -P "$rootfs/../../.." && pwd -P)" "$(pwd -P)"`;
    await inView(check, script);
  },

  'special files of a view are shown, and are those of the caller': async (check) => {
    const script = `
      [[ -p $rootfs/nodes/fifo && -c $rootfs/nodes/null && -b $rootfs/nodes/disk ]]
      fails 'Permission denied' head -c 1 "$rootfs/nodes/disk"
      timeout 60 python3 -c '
import os, sys
reader = os.open(sys.argv[1], os.O_RDONLY | os.O_NONBLOCK)
assert os.read(reader, 1) == b""' "$rootfs/nodes/fifo"`;
    await inView(check, script);
  },
};

const asRoot: Rules = {
  'chroot: a view is a root directory': async (check) => {
    const script = `
      is "$(chroot "$system" /bin/sh -c 'cat /etc/greeting; ls /')" $'hello\\nbin\\netc\\ntmp'
      fails 'Read-only file system' chroot "$system" /bin/sh -c 'echo x > /etc/new'`;
    await inView(check, PUSH_SYSTEM + script);
  },

  'overlayfs: a view is a lower directory': async (check) => {
    const script = `
      mkdir "$scratch/over"
      mount -t tmpfs none "$scratch/over"
      trap 'cd /; umount "$scratch/over/merged"; umount "$scratch/over"; rmdir "$scratch/over"' EXIT
      cd "$scratch/over"
      mkdir upper work merged
      mount -t overlay overlay -o "lowerdir=$(readlink -f "$rootfs"),upperdir=upper,workdir=work" merged
      cd merged
      diff -r --no-dereference --exclude=nodes . "$unpacked" >&2
      is "$(getfattr --only-values -n user.text attributes/binary)" text
      echo more >> etc/kept
      is "$(cat etc/kept)" $'kept\\nmore'
      is "$(cat "$rootfs/etc/kept")" kept
      cp large copied
      head -c 10 /dev/zero | dd of=large bs=1 seek=1000000 conv=notrunc status=none
      is "$(cmp "$unpacked/large" large | head -c 1 | wc -c)" 1
      is "$(cmp -n 1000000 "$unpacked/large" large; tail -c 1999991 large | sha256sum)" "$(tail -c 1999991 "$unpacked/large" | sha256sum)"
      cmp copied "$rootfs/large"
      rm etc/replaced
      rm -r many
      mkdir many
      is "$(ls many)" ''
      is "$(ls etc)" $'kept\\nsecret'
      [[ -c ../upper/etc/replaced ]]
      chmod 711 bin/su
      is "$(stat -c %a bin/su "$rootfs/bin/su")" $'711\\n4755'
      mv opaque/above opaque/other
      is "$(cat opaque/other)" above
      is "$(ls -A "$rootfs/opaque")" $'above\\ndeep'`;
    await inView(check, script);
  },
};

suite(LAYER_VARIANTS, rules);
suite(AS_ROOT, asRoot);
