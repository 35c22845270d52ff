import { layerImage, PUSH_IMAGE } from './layer-image.js';
import { type Check, type Rules, suite } from './suite.js';
import { AS_ROOT } from './variants.js';

const image = layerImage();

function inView({ sh }: Check, script: string): Promise<string> {
  return sh(PUSH_IMAGE + script, image);
}

const rules: Rules = {
  'a view is what umoci makes of the same layers, in all that a program can ask': async (check) => {
    const readable = check.variant.user ? 'readable' : '';
    const script = `
      python3 "$walk" "$rootfs/" ${readable} > "$scratch/shown"
      (( $(wc -l < "$scratch/shown") > 450 ))
      diff "$image/said${readable && '-'}${readable}" "$scratch/shown" >&2`;
    await inView(check, script);
  },

  'links of a stack lead to the same trees': async (check) => {
    const script = `
      is "$(ls stacks/image)" $'1\\n2\\n3\\nrootfs'
      is "$(readlink stacks/image/rootfs)" "$(readlink stacks/image/3)"
      is "$(cat stacks/image/1/etc/replaced)" 'of the first layer'
      is "$(cat stacks/image/2/etc/replaced)" 'of the second layer'
      [[ -e stacks/image/1/etc/removed && ! -e stacks/image/2/etc/removed ]]
      is "$(ls stacks/image/1/opaque)" $'below\\ndeep'
      is "$(ls stacks/image/2/opaque)" above
      is "$(ls stacks/image/3/opaque)" $'above\\ndeep'
      is "$(stat -c %h stacks/image/1/links/across stacks/image/2/links/across stacks/image/3/links/across)" $'1\\n2\\n3'`;
    await inView(check, script);
  },

  'inode numbers are unique in a tree, the same in its listings, and the same after a remount': async (
    check,
  ) => {
    const script = `
      find "$rootfs/" -printf '%i %y %P\\0' | sort -z > "$scratch/numbers-$1"
      tr '\\n\\0' '?\\n' < "$scratch/numbers-$1" | cut -d' ' -f1 | uniq -d > "$scratch/twice"
      is "$(cat "$scratch/twice")" "$(stat -c %i "$rootfs/links/across")"
      python3 -c '
import os, sys
for where, _, _ in os.walk(os.fsencode(sys.argv[1])):
    for entry in os.scandir(where):
        assert entry.inode() == entry.stat(follow_symlinks=False).st_ino, entry.path' "$rootfs/"`;
    await inView(check, `set -- before; ${script}`);
    await check.mount.restart();
    await inView(check, `set -- after; ${script}; cmp "$scratch/numbers-before" "$scratch/numbers-after"`);
  },

  'looking in any order finds the same': async (check) => {
    const script = `
      cd "$rootfs/many"
      is "$(ls | wc -l)" 400
      is "$(ls -U | sort | sha256sum)" "$(ls "$unpacked/many" | sort | sha256sum)"
      is "$(cat 0001)" 1
      is "$(ls -d 000?)" $'0001\\n0002\\n0004\\n0005\\n0007\\n0008'
      [[ ! -e 0000 && ! -e 0000 && ! -e 0600 ]]
      python3 -c '
import os
whole = os.listdir(".")
for _ in range(3):
    assert os.listdir(".") == whole
readers = [os.scandir(".") for _ in range(4)]
assert all(len({entry.name for entry in both}) == 1 for both in zip(*readers))'`;
    await inView(check, script);
  },
};

const asRoot: Rules = {
  'diff, find and tar say the same of a view and of what umoci unpacked': async (check) => {
    const script = `
      said=$(diff -r --no-dereference "$rootfs/" "$unpacked" | grep -v '^File .* special file while\\|^File .* is a fifo while' || true)
      is "$said" ''
      said() { (cd "$1" && find . -printf '%p %y %m %U %G %T@ %l\\0' | sort -z | sha256sum); }
      is "$(said "$rootfs/")" "$(said "$unpacked")"
      packed() {
        tar --create --directory="$1" --sort=name --format=posix \\
          --pax-option='exthdr.name=%d/x/%f,delete=atime,delete=ctime' . | sha256sum
      }
      is "$(packed "$rootfs/")" "$(packed "$unpacked")"`;
    await inView(check, script);
  },

  'rsync and cp copy a view as it is': async (check) => {
    const script = `
      mkdir "$scratch/copied" "$scratch/synced"
      cp -a "$rootfs/." "$scratch/copied"
      rsync -aHAX "$rootfs/" "$scratch/synced/"
      is "$(rsync -aHAX --dry-run --delete --itemize-changes "$rootfs/" "$unpacked/")" ''
      is "$(rsync -aHAX --dry-run --delete --itemize-changes "$scratch/synced/" "$rootfs/")" ''
      for copy in copied synced; do
        python3 "$walk" "$scratch/$copy" > "$scratch/got"
        diff "$image/said" "$scratch/got" >&2
      done`;
    await inView(check, script);
  },
};

suite(AS_ROOT, rules);
suite(AS_ROOT, asRoot);
