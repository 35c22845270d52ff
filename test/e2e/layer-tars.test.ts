import { layerImage, PUSH_IMAGE } from './layer-image.js';
import { type Check, type Rules, suite } from './suite.js';
import { LAYER_VARIANTS } from './variants.js';

const image = layerImage();

function inStore({ sh }: Check, script: string): Promise<string> {
  return sh(PUSH_IMAGE + script, image);
}

const rules: Rules = {
  'beside each tree is the tar that it was made of, byte for byte': async (check) => {
    const script = `
      number=0
      for tar in 1 2 3; do
        shown=$(readlink -f stacks/image/$tar).tar
        is "$(stat -c '%s %a %h %F' "$shown")" "$(stat -c %s "$image/$tar.tar") 444 1 regular file"
        is "$(sha256sum < "$shown")" "$(sha256sum < "$image/$tar.tar")"
        cmp "$shown" "$image/$tar.tar"
        is "$(getfattr --only-values -n user.cas.digest "$shown")" "sha256:$(sha256sum < "$image/$tar.tar" | head -c 64)"
        is "$(tar -tf "$shown" | sha256sum)" "$(tar -tf "$image/$tar.tar" | sha256sum)"
      done
      is "$(ls layers/sha256 | grep -c '\\.tar$')" "$(ls layers/sha256 | grep -vc '\\.tar$')"`;
    await inStore(check, script);
  },

  'the name of the lowest layer is the digest of its tar, and that of another its chain': async (check) => {
    const script = `
      chain=$(sha256sum < "$image/1.tar" | head -c 64)
      is "$(basename "$(readlink stacks/image/1)")" $chain
      for tar in 2 3; do
        chain=$(printf 'sha256:%s sha256:%s' $chain "$(sha256sum < "$image/$tar.tar" | head -c 64)" | sha256sum | head -c 64)
        is "$(basename "$(readlink stacks/image/$tar)")" $chain
      done`;
    await inStore(check, script);
  },

  'a tar is read from anywhere, in pieces of any size, by several at once': async (check) => {
    const script = `
      shown=$(readlink -f stacks/image/1).tar
      want=$image/1.tar
      is "$(tail -c 5000 "$shown" | sha256sum)" "$(tail -c 5000 "$want" | sha256sum)"
      is "$(tail -c +4000001 "$shown" | sha256sum)" "$(tail -c +4000001 "$want" | sha256sum)"
      for piece in '1 511 3' '512 1000 20' '4097 33 7' '131072 3 2' '1000000 1 1' '7 600000 1000' '512 100000 1'; do
        read -r bs skip count <<< "$piece"
        slice() { dd status=none if="$1" bs=$bs skip=$skip count=$count | sha256sum; }
        is "$(slice "$shown")" "$(slice "$want")"
      done
      cmp "$shown" "$want" & first=$!
      tac -s x "$shown" | cmp - <(tac -s x "$want") & second=$!
      cat "$shown" | cmp - "$want"
      wait $first
      wait $second
      python3 -c '
import os, random, sys
shown, want = (os.open(path, os.O_RDONLY) for path in sys.argv[1:])
size = os.fstat(want).st_size
some = random.Random(1)
for _ in range(300):
    offset, length = some.randrange(size + 10), some.choice([1, 100, 512, 5000, 200000])
    assert os.pread(shown, length, offset) == os.pread(want, length, offset), (offset, length)
assert os.lseek(shown, 0, os.SEEK_END) == size' "$shown" "$want"`;
    await inStore(check, script);
  },

  'gzip, zstd and plain tars are told apart by their bytes, and give the same layer': async (check) => {
    const script = `
      mkdir "stacks/$ref-zstd" "stacks/$ref-plain" "stacks/$ref-gzip"
      zstd -q "$image/1.tar" -o "$scratch/packed.zst"
      (head -c 2000000 "$image/1.tar" | gzip -1; tail -c +2000001 "$image/1.tar" | gzip -9) > "$scratch/packed.gz"
      push "$scratch/packed.zst" "$ref-zstd"
      push "$image/1.tar" "$ref-plain"
      push "$scratch/packed.gz" "$ref-gzip"
      is "$(readlink "stacks/$ref-zstd/1")" "$(readlink "stacks/$ref-plain/1")"
      is "$(readlink "stacks/$ref-zstd/1")" "$(readlink "stacks/$ref-gzip/1")"
      cmp "$(readlink -f "stacks/$ref-zstd/1").tar" "$image/1.tar"
      for packed in "$scratch/packed.zst" "$scratch/packed.gz"; do
        cmp "$packed" "blobs/sha256/$(sha256sum < "$packed" | head -c 64)"
      done
      [[ ! -e blobs/sha256/$(sha256sum < "$image/1.tar" | head -c 64) ]]
      rmdir "stacks/$ref-zstd" "stacks/$ref-plain" "stacks/$ref-gzip"`;
    await inStore(check, script);
  },

  'sparse files, a tar without an end, and one with rubbish after it come back': async (check) => {
    const script = `
      cd "$scratch"
      python3 -c '
with open("holes", "wb") as file:
    for at in (0, 1 << 20, 5 << 20, (9 << 20) + 7):
        file.seek(at)
        file.write(b"data" * 1000)
    file.truncate(12 << 20)'
      echo x > x
      tar --sparse --format=gnu -cf sparse-gnu.tar holes x
      for version in 0.0 0.1 1.0; do
        tar --sparse --sparse-version=$version --format=posix -cf sparse-$version.tar holes x
      done
      tar -cf x.tar x
      head -c 1024 x.tar > endless.tar
      (cat x.tar; echo rubbish) > rubbish.tar
      for tar in sparse-gnu sparse-0.0 sparse-0.1 sparse-1.0 endless rubbish; do
        stack=$mountpoint/stacks/$ref-$tar
        mkdir "$stack"
        (cd "$mountpoint" && push "$scratch/$tar.tar" "$ref-$tar")
        cmp "$tar.tar" "$(readlink -f "$stack/1").tar"
        cmp x "$stack/rootfs/x"
        if [[ $tar == sparse* ]]; then
          cmp holes "$stack/rootfs/holes"
          is "$(stat -c %s "$stack/rootfs/holes")" $((12 << 20))
          (( $(stat -c %b "$stack/rootfs/holes") < 1000 ))
        fi
        rmdir "$stack"
      done
      rm -f -- *`;
    await inStore(check, script);
  },

  'a tar goes from one store into a stack again, and nothing is stored twice': async (check) => {
    const script = `
      used() { du -s --apparent-size "$store/payloads" | cut -f1; }
      before=$(used)
      mkdir "stacks/$ref"
      push "$(readlink -f stacks/image/1).tar" "$ref"
      is "$(readlink "stacks/$ref/1")" "$(readlink stacks/image/1)"
      (( $(used) <= before + 16 ))
      rmdir "stacks/$ref"
      cat stacks/image/1/etc/kept > /dev/null`;
    await inStore(check, script);
  },
};

suite(LAYER_VARIANTS, rules);
