// The image of three layers that the rows on layers use, and other forms of it.
import { copyFileSync, linkSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { sha256 } from './blobs.mjs';
import { onExit } from './cleanup.mjs';
import { quietly, run } from './run.mjs';

const LAYERS = ['base', 'packages', 'removed'];

/** Where the image is, made where it is not there yet. */
export async function imageDirectory() {
  return (await run([join(import.meta.dirname, '../image')], { seconds: 900 })).trim();
}

/** The plain tars of the layers, on the disk that is measured: a list of { path, size, hex }, the base first. */
export async function imageLayers(context) {
  const image = await imageDirectory();
  const digests = readFileSync(join(image, 'sha256sums'), 'utf8');
  const directory = join(context.disk, 'image');
  mkdirSync(directory, { recursive: true });
  return LAYERS.map((name) => {
    const path = join(directory, `${name}.tar`);
    copyFileSync(join(image, `${name}.tar`), path);
    const [, hex] = new RegExp(`^([0-9a-f]{64})  ${name}\\.tar$`, 'm').exec(digests);
    return { path, size: statSync(path).size, hex };
  });
}

/** The chain IDs of the OCI image specification, in hex. */
export function chainIds(layers) {
  const chains = [];
  for (const { hex } of layers) {
    const below = chains.at(-1);
    chains.push(below ? sha256(`sha256:${below} sha256:${hex}`) : hex);
  }
  return chains;
}

/** An OCI image layout of the layers as they are, uncompressed: { path, archive }, the latter a tar of it. */
export async function makeLayout(context, layers) {
  const path = join(context.disk, 'layout');
  const blobs = join(path, 'blobs/sha256');
  mkdirSync(blobs, { recursive: true });
  const describe = (mediaType, hex, size) => ({ mediaType, digest: `sha256:${hex}`, size });
  const add = (mediaType, value) => {
    const text = JSON.stringify(value);
    const hex = sha256(text);
    writeFileSync(join(blobs, hex), text);
    return describe(mediaType, hex, text.length);
  };
  for (const layer of layers) linkSync(layer.path, join(blobs, layer.hex));
  const config = add('application/vnd.oci.image.config.v1+json', {
    architecture: process.arch === 'x64' ? 'amd64' : process.arch,
    os: 'linux',
    rootfs: { type: 'layers', diff_ids: layers.map(({ hex }) => `sha256:${hex}`) },
  });
  const manifest = add('application/vnd.oci.image.manifest.v1+json', {
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
    config,
    layers: layers.map(({ hex, size }) => describe('application/vnd.oci.image.layer.v1.tar', hex, size)),
  });
  manifest.annotations = {
    'org.opencontainers.image.ref.name': 'debian',
    'io.containerd.image.name': 'localhost/bench/debian:latest',
  };
  writeFileSync(join(path, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}');
  writeFileSync(join(path, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests: [manifest] }));
  const archive = join(context.disk, 'layout.tar');
  await run(['tar', '-C', path, '-cf', archive, '.']);
  return { path, archive };
}

// Whiteouts of the image specification become those of overlayfs.
const UNPACK = `
set -e
mkdir -p "$2"
tar -C "$2" --xattrs --xattrs-include='*' -xpf "$1"
cd "$2"
find . -name .wh..wh..opq -printf '%h\\0' -delete | xargs -0r setfattr -n trusted.overlay.opaque -v y --
find . -name '.wh.*' -print0 | while IFS= read -r -d '' path; do
  rm -f -- "$path"
  mknod "\${path%/*}/\${path##*/.wh.}" c 0 0
done`;

/** Unpacks each layer into a directory of its own, as overlayfs takes them, and mounts them: { mountpoint, unmount }. */
export async function mountOverlay(context, name, tars) {
  const directory = join(context.disk, `${name}.lower`);
  mkdirSync(directory);
  for (const [index, tar] of tars.entries())
    await run(['bash', '-c', UNPACK, 'unpack', tar, join(directory, String(index))], { seconds: 300 });
  const mountpoint = join(context.base, name);
  mkdirSync(mountpoint);
  // Relative names, since the options of mount(2) are a page at most; the topmost layer comes first. Overlayfs
  // without an upper directory wants two lower ones.
  mkdirSync(join(directory, 'none'));
  const lower = [...[...tars.keys()].reverse(), 'none'].join(':');
  const mount = 'cd "$1" && exec mount -i -t overlay overlay -o "ro,lowerdir=$2" "$3"';
  await run(['sh', '-c', mount, 'mount', directory, lower, mountpoint]);
  const end = onExit(() => quietly(['umount', mountpoint]) || quietly(['umount', '-l', mountpoint]));
  return { mountpoint, lower: (index) => join(directory, String(index)), unmount: async () => end() };
}
