import { once } from 'node:events';
import fs from 'node:fs';
import { until } from '../src/process/site.js';
import { layerImage } from './layer-image.js';
import { type Check, eachAlone, type Rules } from './suite.js';
import { AS_ROOT } from './variants.js';

const image = layerImage();

/**
 * `image NAME DIFF BLOB…` makes an image of files, and gives it a name: DIFF is `right`, or stands in the place of each
 * DiffID. `state NAME` says how it is, `index NAME` makes an index of it that says arm/v7, and names that `NAME:many`.
 */
const TOOLS = `
  cat > "$scratch/image.py" <<'END'
import hashlib, json, os, sys, zlib
def blob(content, kind, **more):
    digest = hashlib.sha256(content).hexdigest()
    if not os.path.exists('blobs/sha256/' + digest):
        with open('blobs/sha256/' + digest, 'wb') as file: file.write(content)
    return {'mediaType': kind, 'digest': 'sha256:' + digest, 'size': len(content), **more}
def document(value, kind, **more): return blob(json.dumps(value).encode(), kind, **more)
def diff(content):
    tar = zlib.decompressobj(31).decompress(content) if content[:2] == b'\\x1f\\x8b' else content
    return 'sha256:' + hashlib.sha256(tar).hexdigest()
name, said, *paths = sys.argv[1:]
layers = [open(path, 'rb').read() for path in paths]
diffs = [diff(layer) if said == 'right' else said for layer in layers]
config = {'architecture': 'arm', 'variant': 'v7', 'os': 'linux', 'rootfs': {'type': 'layers', 'diff_ids': diffs}}
oci = 'application/vnd.oci.image.'
manifest = document({'schemaVersion': 2,
    'config': document(config, oci + 'config.v1+json'),
    'layers': [blob(layer, oci + 'layer.v1.tar') for layer in layers]}, oci + 'manifest.v1+json')
other = {'architecture': 's390x', 'os': 'linux'}
index = document({'schemaVersion': 2, 'manifests': [
    dict(manifest, digest='sha256:' + '0' * 64, platform=other),
    dict(manifest, platform={'architecture': 'arm', 'os': 'linux', 'variant': 'v6'})]}, oci + 'index.v1+json')
entries = json.load(open('index.json'))
for entry, ref in ((manifest, name), (index, name + ':many')):
    entries['manifests'].append(dict(entry, annotations={'org.opencontainers.image.ref.name': ref}))
json.dump(entries, open('index.json', 'w'))
END
  image() { python3 "$scratch/image.py" "$@"; }
  state() { python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["state"])' ".cas/images/$1.json"; }
  nothing_half() { is "$(ls -A "$store/layers/staging" 2> /dev/null | wc -l)" 0; }
  # Takes its time to be read, and not to be written: it is one content again and again.
  large() {
    python3 -c 'import os, sys
os.mkdir(sys.argv[1])
os.chdir(sys.argv[1])
with open("0", "wb") as file: file.write(bytes(100000))
for number in range(1, 3000): os.link("0", str(number))' "$scratch/many"
    seq 100000 > "$scratch/numbers"
    tar -C "$scratch" --hard-dereference -c many numbers | gzip -1 > "$scratch/large.gz"
    image large right "$scratch/large.gz"
  }
`;

async function inMount({ sh }: Check, script: string): Promise<string> {
  return sh(TOOLS + script, image);
}

const rules: Rules = {
  'the tree of an image is what umoci unpacks; looking costs nothing, and it outlives a restart': async (
    check,
  ) => {
    const same = `
      top=$(basename "$(readlink images/image/rootfs)")
      python3 "$walk" images/image/rootfs/ > "$scratch/shown"
      diff "$image/said" "$scratch/shown" >&2`;
    await inMount(
      check,
      `cp "$image"/oci/blobs/sha256/* blobs/sha256/
      cp "$image/oci/index.json" index.json
      is "$(ls images/image)" $'config.json\\nlayers\\nmanifest.json\\nrootfs'
      ls -lR images > "$scratch/listed"
      cmp images/image/layers/2 "$image/2.tar.gz"
      is "$(ls layers/sha256)" ''
      is "$(state image)" absent
      top=$(basename "$(readlink images/image/rootfs)")
      ls images/image/rootfs/ > "$scratch/one" & one=$!
      ls "layers/sha256/$top" > "$scratch/two" & two=$!
      wait $one && wait $two
      cmp "$scratch/one" "$scratch/two"
      is "$(ls layers/sha256 | wc -l)" 6
      is "$(state image)" registered
      ${same}
      cmp "layers/sha256/$top.tar" "$image/3.tar"
      ls -l "images/image" > "$scratch/listed"
      for blob in "$(readlink -f images/image/manifest.json)" "$(readlink -f images/image/layers/1)"; do
        fails 'Device or resource busy' rm -f "$blob"
      done`,
    );
    await check.mount.restart();
    await inMount(
      check,
      `is "$(ls layers/sha256 | wc -l)" 6
      ${same}
      umoci tag --image "$mountpoint:image" other
      umoci rm --image "$mountpoint:image"
      [[ ! -e images/image ]]
      ls images/other/rootfs/ > "$scratch/two"
      cmp "$scratch/one" "$scratch/two"
      is "$(ls layers/sha256 | wc -l)" 6
      umoci gc --layout "$mountpoint"
      is "$(ls blobs/sha256 | wc -l)" 5
      umoci rm --image "$mountpoint:other"
      for try in {1..1200}; do [[ -n $(ls layers/sha256) ]] || break; sleep 0.05; done
      is "$(ls layers/sha256)$(ls images)" ''
      umoci gc --layout "$mountpoint"
      is "$(ls blobs/sha256)" ''`,
    );
  },

  'who waits is interrupted at once; the next goes on, and with the last one nothing is left': async (
    check,
  ) => {
    const { t, mount } = check;
    await inMount(check, 'large');
    const staging = `${mount.site.store}/layers/staging`;
    const staged = (): boolean => fs.existsSync(staging) && fs.readdirSync(staging).length > 0;
    const look = (): ReturnType<typeof mount.start> => mount.start('exec ls images/large/rootfs/');
    const only = look();
    const onlyEnded = once(only, 'close');
    await until('a layer is staged', staged);
    only.kill('SIGINT');
    t.is((await onlyEnded)[1], 'SIGINT');
    await until('nothing is registered any more', () => !staged());
    await inMount(
      check,
      `for try in {1..100}; do [[ $(state large) == registering ]] || break; done
      is "$(state large)" absent
      is "$(ls layers/sha256)" ''`,
    );
    const [first, second] = [look(), look()];
    const [firstEnded, secondEnded] = [once(first, 'close'), once(second, 'close')];
    await until('a layer is staged', staged);
    first.kill('SIGINT');
    await firstEnded;
    t.deepEqual(await secondEnded, [0, null]);
    await inMount(
      check,
      `is "$(state large)" registered
      nothing_half
      is "$(tail -n 1 images/large:many/rootfs/numbers)" 100000
      is "$(readlink images/large:many/platforms/linux-arm-v6/rootfs | cut -c1-12)" ../../../../
      is "$(ls images/large:many)" $'config.json\\nindex.json\\nlayers\\nmanifest.json\\nplatforms\\nrootfs'`,
    );
    t.is((await mount.status()).defects, 0);
  },

  'a layer that is damaged, missing or another is told by errno, attribute, status and one line of the log':
    async (check) => {
      const { t, mount } = check;
      await inMount(
        check,
        `mkdir "$scratch/d"
      head -c 100000 /dev/urandom > "$scratch/d/file"
      tar -C "$scratch/d" -cz file > "$scratch/good.gz"
      head -c 50000 "$scratch/good.gz" > "$scratch/cut.gz"
      image cut "sha256:$(printf 1 | sha256sum | cut -c1-64)" "$scratch/cut.gz"
      image other "sha256:$(printf 2 | sha256sum | cut -c1-64)" "$scratch/good.gz"
      for name in cut other; do
        fails 'Bad message' ls images/$name/rootfs/
        fails 'Bad message' ls images/$name/rootfs/
        is "$(state $name)" failed
        [[ $(getfattr --only-values -n user.cas.error images/$name) == 'layer 1 of 1: sha256:'* ]]
      done
      image missing right "$scratch/good.gz"
      rm "$store/blobs/sha256/$(basename "$(readlink images/missing/layers/1)")"
      fails 'No such file' ls images/missing/rootfs/
      [[ $(getfattr --only-values -n user.cas.error images/missing) == *'the store has no such blob' ]]
      cp "$scratch/good.gz" "$store/blobs/sha256/$(basename "$(readlink images/missing/layers/1)")"
      cmp images/missing/rootfs/file "$scratch/d/file"
      nothing_half`,
      );
      const told = mount.site.log.filter(({ msg }) => msg === 'a layer of an image cannot be registered');
      t.deepEqual(
        told.map(({ image, level }) => [image, level]),
        [
          ['cut', 'warn'],
          ['other', 'warn'],
          ['missing', 'warn'],
        ],
      );
      t.is((await mount.status()).defects, 0);
    },
};

eachAlone(AS_ROOT, rules, { args: ['--platform', 'linux/arm/v7'] });
