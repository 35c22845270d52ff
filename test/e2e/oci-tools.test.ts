import { execFile } from 'node:child_process';
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import test from 'ava';
import { CAS } from '../src/process/site.js';
import { mountOnDisk } from './disk.js';
import { emptyLayout, smallImages } from './small-images.js';
import { type Check, checkOf, type Rules, suite } from './suite.js';
import { AS_ROOT } from './variants.js';

const execute = promisify(execFile);
const shared = fs.mkdtempSync(path.join(tmpdir(), 'cas-test-tools-'));

/** Images, the same as archives, and the programs of the tools that Debian does not have. */
const PLACES = {
  images: `${shared}/images`,
  archives: `${shared}/archives`,
  none: `${shared}/none`,
  layouts: `${shared}/layouts`,
  GO111MODULE: 'off',
  CGO_ENABLED: '0',
  GOCACHE: `${shared}/go`,
};

const PREPARE = `
  set -e
  printf '{"schemaVersion":2,"manifests":[]}' > "$none"
  go build -o "$layouts" test/e2e/fixtures/layouts.go
  mkdir "$archives"
  skopeo copy -q "oci:$images:0" "docker-archive:$archives/docker.tar:small:1"
  skopeo copy -q "oci:$images:1" "oci-archive:$archives/oci.tar:small"
  skopeo copy -q "oci:$images:2" "dir:$archives/dir"
  # Its layers are not what their digests say, by one byte less.
  cp -r "$images" "$archives/short"
  find "$archives/short/blobs" -size +10k -exec truncate -s -1 {} +`;

test.serial.before('images and programs are made', async (t) => {
  t.timeout(240_000);
  await smallImages(PLACES.images, 3);
  await execute('bash', ['-c', PREPARE], { env: { ...process.env, ...PLACES } });
});
test.after.always('they are removed', () => fs.rmSync(shared, { recursive: true, force: true }));

/**
 * What scripts know besides: `said LAYOUT` tells of a layout all that tools can have meant, `own` gives buildah and
 * podman a place of their own. They make names of paths, which must be in lower case then, as `$beside` is.
 */
const TOOLS = `
said() {
  (cd "$1"; find blobs -type f | sort; python3 -c '
import json
for entry in json.load(open("index.json"))["manifests"]: print(json.dumps(entry, sort_keys=True))')
}
own() { cd "$layout/.."; "$1" --root "$at/root" --runroot "$at/run" --storage-driver vfs "\${@:2}"; }
clear_layout() { cp "$none" index.json; rm -f blobs/sha256/*; }
cp_files() { cp -r "$1/blobs/sha256/." blobs/sha256/; }
`;

/** Runs a script in a plain directory and in the mount, and compares what the two layouts are then. */
async function alike({ t, mount, sh }: Check, script: string): Promise<void> {
  const at = `${shared}/at`;
  const plain = `${mount.scratch}/plain`;
  const found: string[] = [];
  for (const layout of [plain, mount.mountpoint]) {
    fs.rmSync(plain, { recursive: true, force: true });
    fs.rmSync(at, { recursive: true, force: true });
    fs.mkdirSync(at);
    emptyLayout(plain);
    const text = `${TOOLS}
      cd "$layout"; clear_layout
      { ${script}
      } >&2
      said "$layout"`;
    found.push(await sh(text, { ...PLACES, layout, at, beside: path.basename(layout) }));
  }
  t.is(found[1], found[0]);
  t.regex(found[0] ?? '', /blobs\/sha256[^]*ref\.name/);
}

const rules: Rules = {
  'skopeo copies into it from all it knows, again, and out of it': (check) =>
    alike(
      check,
      `for again in 1 2; do
         skopeo copy -q "docker-archive:$archives/docker.tar:small:1" "oci:$layout:docker"
         skopeo copy -q "dir:$archives/dir" "oci:$layout"
       done
       skopeo copy -q "oci-archive:$archives/oci.tar:small" "oci:$layout:oci"
       skopeo copy -q "dir:$archives/dir" "oci:$layout:example.com/a/b:1.2"
       skopeo copy -q --format v2s2 "oci:$layout:oci" "oci:$layout:v2s2"
       skopeo copy -q --dest-compress-format zstd "docker-archive:$archives/docker.tar:small:1" "oci:$layout:zstd"
       skopeo copy -q "oci:$images:0" "oci:$layout:oci"
       for target in docker-archive:$at/a:b:1 oci-archive:$at/b:x dir:$at/c oci:$at/d:x; do
         skopeo copy -q "oci:$layout:oci" "$target"
       done
       cmp <(skopeo inspect --raw "oci:$at/d:x") <(skopeo inspect --raw "oci:$layout:oci")
       fails 'no descriptor' skopeo inspect "oci:$layout:none"`,
    ),

  'umoci unpacks, repacks, configures, tags, removes, and collects garbage': (check) =>
    alike(
      check,
      `skopeo copy -q "oci:$images:0" "oci:$layout:0"
       then=1970-01-01T00:00:00Z
       umoci config --image "$layout:0" --tag config --author me --created "$then" --history.created "$then"
       umoci unpack --image "$layout:config" "$at/bundle"
       is "$(ls "$at/bundle/rootfs")" file-0; rm "$at/bundle/rootfs/file-0"
       umoci repack --image "$layout:repack" --no-history "$at/bundle"
       umoci rm --image "$layout:repack"
       umoci tag --image "$layout:config" again
       umoci rm --image "$layout:0"
       umoci gc --layout "$layout"
       is "$(umoci list --layout "$layout" | sort | tr '\\n' ' ')" 'again config '
       umoci stat --image "$layout:again" --json | grep -q diff_id`,
    ),

  'buildah builds, commits, pushes, pulls, and makes lists': (check) =>
    alike(
      check,
      `cp /bin/busybox "$at"
       printf 'FROM scratch\\nCOPY busybox /bin/sh\\nRUN echo built > /built\\n' > "$at/Containerfile"
       own buildah bud -q --isolation chroot --timestamp 0 -t built "$at"
       own buildah push -q built "oci:$beside:pushed"
       own buildah push -q built "oci:$beside:pushed"
       own buildah from --name again "oci:$beside:pushed"
       is "$(own buildah run --isolation chroot again /bin/sh -c 'read -r word < /built; echo $word')" built
       own buildah commit -q --timestamp 0 "$(own buildah from scratch)" "oci:$beside:committed"
       own buildah manifest create list
       own buildah manifest add list "oci:$beside:pushed"
       own buildah manifest push -q --all list "oci:$beside:list"
       cd "$layout/.."; skopeo copy -q --all "oci:$beside:list" "oci:$at/out:list"`,
    ),

  'podman pulls, pushes and saves': (check) =>
    alike(
      check,
      `cd "$layout/.."; skopeo copy -q "oci:$images:0" "oci:$beside:0"
       id=$(own podman pull -q "oci:$beside:0")
       own podman push -q "$id" "oci:$beside:pushed"
       own podman tag "$id" localhost/small:1
       own podman save -q --format oci-dir -o "$layout" localhost/small:1
       own podman save -q --format oci-archive -o "$at/saved.tar" localhost/small:1
       cd "$layout/.."; skopeo copy -q "oci-archive:$at/saved.tar" "oci:$beside:saved"`,
    ),

  'oras, crane and regctl write into it, each over the others': (check) =>
    alike(
      check,
      `head -c 100000 "$layouts" > "$at/a"; head -c 300000 "$layouts" > "$at/b"
       for tool in oras crane crane-stream regctl oras crane regctl; do
         "$layouts" $tool "$layout" $tool "$at/a"
         "$layouts" $tool "$layout" b "$at/b"
       done
       "$layouts" regctl "$layout" b "$at/a"
       skopeo copy -q "oci:$layout:oras" "oci:$layout:skopeo"`,
    ),

  'tar, rsync and cp put a whole layout into it, and get it back': (check) =>
    alike(
      check,
      `tar -C "$images" -cf "$at/layout.tar" .
       for again in 1 2; do
         tar --overwrite -xf "$at/layout.tar"
         rsync -rt "$images/" .
         rsync -rtI "$images/" .
         cp -r "$images/." .
       done
       clear_layout; cp -a "$images/." .
       tar -cf - oci-layout index.json blobs/sha256 | tar -C "$at" -xf -
       for part in index.json blobs/sha256; do diff -r "$images/$part" "$at/$part"; done`,
    ),

  'cas exports to a file beside the mount, in it, and where the daemon sees another one': async ({ sh }) => {
    await sh(
      `${TOOLS}
       clear_layout
       skopeo copy -q "oci:$images:0" "oci:$mountpoint:0"
       export_to() { "$node" "$cas" --root "$store" export 0 --format docker-archive -o "$1"; }
       export_to "$scratch/out.tar"
       skopeo inspect --raw "docker-archive:$scratch/out.tar" | grep -q rootfs
       export_to "ingest/$ref"
       cmp "ingest/$ref" "$scratch/out.tar"
       mkdir "$scratch/other"
       export -f export_to
       unshare -m bash -ec 'mount -t tmpfs other "$scratch/other"
         export_to "$scratch/other/out.tar"; cmp "$scratch/other/out.tar" "$scratch/out.tar"'
       is "$(ls "$scratch/other")" ''
       is "$(ls "$scratch" ingest | grep -c partial)" 0`,
      { ...PLACES, node: process.execPath, cas: CAS },
    );
  },

  'what is not what its digest says is refused, by the exit code of each tool': async ({ sh }) => {
    await sh(
      `${TOOLS}
       short=$archives/short hex=$(basename "$(find "$archives/short/blobs" -size +10k | head -n 1)")
       clear_layout
       head -c 100000 "$layouts" > "$scratch/$ref"
       for tool in oras crane crane-stream regctl; do
         fails 'bad message' "$layouts" $tool "$mountpoint" $tool "$scratch/$ref" 1
       done
       fails 'Bad message' cp_files "$short"
       fails 'Bad message' rsync -rt "$short/blobs" .
       fails 'Bad message' tar --overwrite -C "$mountpoint" -xf <(tar -C "$short" -cf - blobs)
       fails 'Digest did not match' skopeo copy -q "oci:$short:0" "oci:$mountpoint:0"
       fails 'No such file' cat "blobs/sha256/$hex"
       (cd blobs/sha256; sha256sum -- * | awk 'length($2) == 64 && $1 != $2 { exit 1 }')
       is "$(python3 -c 'import json; print(json.load(open("index.json"))["manifests"])')" '[]'`,
      PLACES,
    );
  },
};

suite(AS_ROOT, rules);

test.serial('a disk that gets full fails skopeo and umoci, and what was there stays', async (t) => {
  t.timeout(240_000);
  const [variant] = AS_ROOT;
  if (variant === undefined) return t.fail();
  const { mount, sh } = checkOf(t, await mountOnDisk(t, variant, 40));
  const full = `
    skopeo copy -q "oci:$images:0" "oci:$mountpoint:0"
    head -c 60000000 /dev/zero > "$scratch/large"
    for tool in oras crane regctl; do
      fails 'no space left' "$layouts" $tool "$mountpoint" $tool "$scratch/large"
    done
    fallocate -l $(( $(stat -f -c '%a * %S' "$store/") )) "$store/ballast"
    fails 'no space left' skopeo copy -q "oci:$images:1" "oci:$mountpoint:1"
    fails 'no space left' umoci tag --image "$mountpoint:0" again
    is "$(umoci list --layout "$mountpoint")" 0
    rm "$store/ballast"
    umoci tag --image "$mountpoint:0" again
    skopeo copy -q "oci:$images:1" "oci:$mountpoint:1"
    is "$(umoci list --layout "$mountpoint" | sort | tr '\\n' ' ')" '0 1 again '`;
  await sh(full, PLACES);
  t.is((await mount.status()).defects, 0);
});
