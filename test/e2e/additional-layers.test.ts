import fs from 'node:fs';
import { FULL } from '../faults/form.js';
import { run } from '../src/process/site.js';
import { serveImage } from './image-registry.js';
import { layerImage } from './layer-image.js';
import { type Check, type Rules, suite } from './suite.js';
import { AS_ROOT } from './variants.js';

const image = layerImage();

/** Puts the image into the mount, unless it is there; `layers` are the digests of its blobs, the lowest first. */
const PUT_IMAGE = `
  if [[ ! -e images/image ]]; then
    cp "$image"/oci/blobs/sha256/* blobs/sha256/
    cp "$image/oci/index.json" index.json
  fi
  als=$mountpoint/.cas/als
  mapfile -t layers < <(python3 -c '
import json, sys
for layer in json.load(open(sys.argv[1]))["layers"]:
    print(layer["digest"])' images/image/manifest.json)
  uses() { getfattr --absolute-names --only-values -n user.cas.uses "$1"; }
`;

/** Lays the layers over one another at $scratch/merged. overlayfs has no colons in the paths of lower directories. */
const LAY_OVER = `
  cd "$scratch"
  mkdir -p merged empty
  for number in 0 1 2; do ln -sfn "$als/\${layers[number]}/diff" "layer$number"; done
  mount -t overlay overlay -o lowerdir=layer2:layer1:layer0:empty merged
`;

/** What is said of a tree, but for how many names an inode has: overlayfs does not know that of layers together. */
const SAID = `
  said() {
    python3 -c '
import json, sys
for line in sys.stdin:
    facts = json.loads(line)
    for fact in ["nlink", "inode"]:
        facts.pop(fact, None)
    print(json.dumps(facts, sort_keys=True))'
  }
`;

function withImage({ sh }: Check, script: string, variables: NodeJS.ProcessEnv = {}): Promise<string> {
  return sh(PUT_IMAGE + script, { ...image, ...variables });
}

const rules: Rules = {
  'layers of an image that overlayfs lays over one another are what umoci makes of them': async (check) => {
    check.t.teardown(() => run('umount', ['-q', '-l', `${check.mount.scratch}/merged`]));
    const script = `${LAY_OVER}${SAID}
      python3 "$walk" merged > shown
      umount merged
      (( $(wc -l < shown) > 450 ))
      diff <(said < "$image/said") <(said < shown) >&2`;
    await withImage(check, script);
  },

  'a layer has its tree, its blob and what is to be known of it; a reference in base64 changes nothing':
    async (check) => {
      const script = `
      second=$als/\${layers[1]}
      is "$(ls "$als" | sort)" "$(printf '%s\\n' "\${layers[@]}" | sort)"
      is "$(ls "$second")" $'blob\\ndiff\\ninfo'
      cmp "$second/blob" "$image/2.tar.gz"
      is "$(stat -c '%F %t,%T' "$second/diff/etc/removed")" 'character special file 0,0'
      is "$(getfattr --absolute-names --only-values -n trusted.overlay.opaque "$second/diff/opaque")" y
      python3 -c '
import hashlib, json, os, sys
info, packed, tar = json.load(open(sys.argv[1])), open(sys.argv[2], "rb").read(), open(sys.argv[3], "rb").read()
assert info == {
    "compressed-diff-digest": "sha256:" + hashlib.sha256(packed).hexdigest(), "compressed-size": len(packed),
    "diff-digest": "sha256:" + hashlib.sha256(tar).hexdigest(), "diff-size": len(tar), "compression": 2}, info
' "$second/info" "$image/2.tar.gz" "$image/2.tar"
      ref=$(printf 'localhost/~~??/\\377image' | base64 -w0)
      [[ $ref == */* ]]
      is "$(ls "$als/$ref/\${layers[1]}/diff")" "$(ls "$second/diff")"
      fails 'No such file' stat "$als/sha256:$(printf '%064d' 0)"`;
      await withImage(check, script);
    },

  'a layer that is used outlasts its image and a restart, and goes with the last use': async (check) => {
    const script = `
      used=$als/\${layers[1]}
      for time in 1 2 3; do fails 'No such file' touch "$used/use"; done
      fails 'No such file' rmdir "$used"
      is "$(uses "$used")" 2
      fails 'Read-only' touch "$used/other"
      echo '{"schemaVersion":2,"manifests":[]}' > index.json
      printf '%s\\n' "\${layers[@]}"`;
    const [lowest = '', used = ''] = (await withImage(check, script)).trim().split('\n');
    await check.mount.restart();
    const left = `
      used=.cas/als/$used
      uses() { getfattr --absolute-names --only-values -n user.cas.uses "$1"; }
      is "$(uses "$used")" 2
      is "$(ls .cas/als)" ''
      is "$(ls "$used/diff/opaque")" above
      fails 'No such file' stat ".cas/als/$lowest"
      fails 'busy' rm "blobs/sha256/\${used##*:}"
      is "$(ls layers/sha256 | wc -l)" 4
      fails 'No such file' rmdir "$used"
      is "$(ls "$used/diff/opaque")" above
      fails 'No such file' rmdir "$used"
      fails 'No such file' stat "$used"
      is "$(ls layers/sha256)" ''
      rm "blobs/sha256/\${used##*:}"`;
    await check.sh(left, { lowest, used });
  },
};

const podman: Rules = {
  'podman pulls an image without its layers, uses them from the mount, and lets go of them': async (
    check,
  ) => {
    const registry = await serveImage(`${image.image}/oci`);
    const conf = check.mount.site.path('storage.conf');
    const at = check.mount.site.path('podman');
    fs.writeFileSync(
      conf,
      `[storage]\ndriver = "overlay"\nrunroot = "${at}/run"\ngraphroot = "${at}/root"\n` +
        `[storage.options]\nadditionallayerstores = ["${check.mount.mountpoint}/.cas/als"]\n`,
    );
    const script = `${SAID}
      pod() { podman --tmpdir "$at/tmp" --cgroup-manager cgroupfs --events-backend file "$@"; }
      name=$registry/some/image:tag
      is "$(pod pull --quiet --tls-verify=false "$name" 2>&1 | wc -l)" 1
      for layer in "\${layers[@]}"; do is "$(uses "$als/$layer")" 1; done
      merged=$(pod image mount "$name")
      diff <(said < "$image/said") <(python3 "$walk" "$merged" | said) >&2
      pod image umount "$name" > "$scratch/podman"
      container=$(pod create --network none "$name" /bin/true)
      merged=$(pod mount "$container")
      rm "$merged/etc/kept"
      echo changed > "$merged/etc/replaced"
      pod diff "$container" | sort > "$scratch/changes"
      is "$(cat "$scratch/changes")" $'C /etc\\nC /etc/replaced\\nD /etc/kept'
      pod umount "$container" >> "$scratch/podman"
      pod rm "$container" >> "$scratch/podman"
      pod save --quiet --format oci-dir -o "$scratch/saved" "$name"
      pod rmi "$name" >> "$scratch/podman"
      for layer in "\${layers[@]}"; do is "$(uses "$als/$layer")" 0; done
      if mountpoint -q "$at/root/overlay"; then umount "$at/root/overlay"; fi`;
    try {
      await withImage(check, script, { CONTAINERS_STORAGE_CONF: conf, at, registry: registry.host });
      check.t.is(registry.asked.length, 1, 'only the config was asked for');
    } finally {
      registry.close();
    }
  },
};

// podman takes longer than all the others together.
suite(AS_ROOT, FULL ? { ...podman, ...rules } : rules);
