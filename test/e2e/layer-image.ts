import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import test from 'ava';

const FIXTURES = path.resolve('test/e2e/fixtures');
const WALK = path.join(FIXTURES, 'walk.py');

/** What scripts need of an image of three layers, as variables. */
export type LayerImage = Readonly<Record<'image' | 'unpacked' | 'walk', string>>;

/**
 * An image whose layers are `$image/1.tar`, `2.tar.gz` and `3.tar`; `$unpacked` is what umoci makes of them, and
 * `python3 "$walk" TREE` says all of a tree, for that one
 * in the files `$image/said` and `said-readable`. Made before the tests of a file, for all of them.
 */
export function layerImage(): LayerImage {
  const image = fs.mkdtempSync(path.join(tmpdir(), 'cas-test-image-'));
  test.serial.before('the image is made and unpacked', (t) => {
    t.timeout(180_000);
    fs.chmodSync(image, 0o755);
    execFileSync('python3', [path.join(FIXTURES, 'image.py'), image]);
    execFileSync('umoci', ['unpack', '--image', `${image}/oci:image`, `${image}/bundle`]);
    fs.chmodSync(`${image}/bundle`, 0o755);
    for (const args of [[], ['readable']]) {
      const said = execFileSync('python3', [WALK, `${image}/bundle/rootfs`, ...args]);
      fs.writeFileSync([`${image}/said`, ...args].join('-'), said);
    }
  });
  test.after.always('the image is removed', () => fs.rmSync(image, { recursive: true }));
  return { image, unpacked: `${image}/bundle/rootfs`, walk: WALK };
}

/** Makes the stack `image` of its three layers, unless it is there. */
export const PUSH_IMAGE = `
  push() { cp "$1" "ingest/$2.push"; mv "ingest/$2.push" "stacks/$2/"; }
  if [[ ! -e stacks/image ]]; then
    mkdir stacks/image
    for layer in 1.tar 2.tar.gz 3.tar; do push "$image/$layer" image; done
  fi
  rootfs=$mountpoint/stacks/image/rootfs
  top=$(basename "$(readlink stacks/image/rootfs)")
`;
