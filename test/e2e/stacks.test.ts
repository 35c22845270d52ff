import { type Rules, suite } from './suite.js';
import { LAYER_VARIANTS } from './variants.js';

/**
 * `layer NAME [MiB]` makes `$scratch/NAME.tar`, a tar with a file NAME and as much in it as is said; `push NAME STACK`
 * moves it into a stack, and `top STACK` is the chain of its top.
 */
const LAYERS = `
  layer() {
    mkdir -p "$scratch/files-$1"
    echo "$1" > "$scratch/files-$1/$1"
    (( \${2:-0} == 0 )) || head -c \${2}M /dev/urandom > "$scratch/files-$1/large-$1"
    tar -C "$scratch/files-$1" --sort=name -cf "$scratch/$1.tar" .
    rm -r "$scratch/files-$1"
  }
  push() { cp "$scratch/$1.tar" "ingest/$1.tar"; mv "ingest/$1.tar" "stacks/$2/"; }
  top() { basename "$(readlink "stacks/$1/rootfs")"; }
  layers() { ls layers/sha256 | grep -v '\\.tar$' | sort; }
  # The kernel tells of a close after it.
  empties() { for try in {1..1200}; do [[ -n $(layers) ]] || break; sleep 0.05; done; is "$(layers)" ''; }
`;

const rules: Rules = {
  'mkdir makes a stack, mv puts a layer on it, rm takes the top off, rmdir takes it down': async ({ sh }) => {
    const script = `${LAYERS}
      mkdir "stacks/$ref"
      is "$(ls "stacks/$ref")" ''
      is "$(stat -c '%F %h' "stacks/$ref")" 'directory 2'
      layer one; layer two; layer three
      push one "$ref"
      is "$(ls "stacks/$ref")" $'1\\nrootfs'
      first=$(top "$ref")
      push two "$ref"
      is "$(ls "stacks/$ref")" $'1\\n2\\nrootfs'
      second=$(top "$ref")
      push three "$ref"
      is "$(ls "stacks/$ref")" $'1\\n2\\n3\\nrootfs'
      is "$(ls ingest)" ''
      is "$(readlink "stacks/$ref/1")" "../../layers/sha256/$first"
      is "$(readlink "stacks/$ref/2")" "../../layers/sha256/$second"
      is "$(ls "stacks/$ref/rootfs/")" $'one\\nthree\\ntwo'
      is "$(ls "stacks/$ref/2/")" $'one\\ntwo'
      fails 'Device or resource busy' rm "stacks/$ref/1"
      fails 'Device or resource busy' rm "stacks/$ref/rootfs"
      fails 'No such file' rm "stacks/$ref/4"
      rm "stacks/$ref/3"
      is "$(ls "stacks/$ref")" $'1\\n2\\nrootfs'
      is "$(top "$ref")" "$second"
      is "$(ls "stacks/$ref/rootfs/")" $'one\\ntwo'
      rm "stacks/$ref/2" "stacks/$ref/1"
      is "$(ls "stacks/$ref")" ''
      is "$(layers)" ''
      push two "$ref"
      is "$(ls "stacks/$ref/rootfs/")" two
      rmdir "stacks/$ref"
      [[ ! -e stacks/$ref ]]
      is "$(ls stacks)" ''
      is "$(layers)" ''`;
    await sh(script);
  },

  'rm -rf takes a stack down': async ({ sh }) => {
    const script = `${LAYERS}
      mkdir "stacks/$ref" "stacks/$ref-2"
      for name in one two three; do layer $name; push $name "$ref"; done
      push one "$ref-2"
      rm -rf "stacks/$ref"
      is "$(ls stacks)" "$ref-2"
      is "$(cat "stacks/$ref-2/rootfs/one")" one
      rm -rf stacks/*
      is "$(ls stacks)" ''
      is "$(layers)" ''`;
    await sh(script);
  },

  'ln -s puts a blob or a layer on a stack': async ({ sh }) => {
    const script = `${LAYERS}
      layer one; layer two
      hex=$(sha256sum < "$scratch/one.tar" | head -c 64)
      cp "$scratch/one.tar" "blobs/sha256/$hex"
      mkdir "stacks/$ref" "stacks/$ref-2"
      ln -s "../../blobs/sha256/$hex" "stacks/$ref/"
      is "$(ls "stacks/$ref")" $'1\\nrootfs'
      is "$(top "$ref")" $hex
      cmp "$scratch/one.tar" "blobs/sha256/$hex"
      push two "$ref"
      ln -s "../../layers/sha256/$hex" "stacks/$ref-2/1"
      ln -s "../../layers/sha256/$(top "$ref")" "stacks/$ref-2/2"
      is "$(readlink "stacks/$ref-2/rootfs")" "$(readlink "stacks/$ref/rootfs")"
      is "$(ls "stacks/$ref-2/rootfs/")" $'one\\ntwo'
      fails 'Bad message' ln -s "../../layers/sha256/$hex" "stacks/$ref-2/3"
      fails 'No such file' ln -s "../../layers/sha256/\${hex//[0-9]/0}" "stacks/$ref-2/3"
      fails 'No such file' ln -s "../../blobs/sha256/\${hex//[0-9]/0}" "stacks/$ref-2/3"
      fails 'Operation not permitted' ln -s /etc/passwd "stacks/$ref-2/3"
      fails 'Operation not permitted' ln -s "../../blobs/sha256" "stacks/$ref-2/3"
      is "$(ls "stacks/$ref-2")" $'1\\n2\\nrootfs'
      rmdir "stacks/$ref"
      is "$(cat "stacks/$ref-2/rootfs/two")" two
      rm "stacks/$ref-2/2"
      is "$(layers)" $hex
      rmdir "stacks/$ref-2"
      is "$(layers)" ''
      rm "blobs/sha256/$hex"`;
    await sh(script);
  },

  'a stack has another name, and keeps its layers': async ({ sh }) => {
    const script = `${LAYERS}
      layer one
      mkdir "stacks/$ref" "stacks/$ref-taken"
      push one "$ref"
      top=$(top "$ref")
      mv -T "stacks/$ref" "stacks/$ref-new"
      [[ ! -e stacks/$ref ]]
      is "$(top "$ref-new")" $top
      is "$(cat "stacks/$ref-new/rootfs/one")" one
      fails exists mv -nT "stacks/$ref-new" "stacks/$ref-taken" || [[ -d stacks/$ref-new ]]
      fails 'File exists' mkdir "stacks/$ref-new"
      rmdir "stacks/$ref-new" "stacks/$ref-taken"
      is "$(layers)" ''`;
    await sh(script);
  },

  'what cannot be in a stack is refused': async ({ sh }) => {
    const script = `${LAYERS}
      mkdir "stacks/$ref"
      layer one
      fails 'Operation not permitted' overwrite "stacks/$ref/file" x || fails 'Read-only file system' overwrite "stacks/$ref/file" x
      fails '' mkdir "stacks/$ref/directory"
      fails '' overwrite stacks/file x
      fails '' ln -s x stacks/link
      is "$(ls "stacks/$ref" stacks)" "$(printf 'stacks:\\n%s\\n\\nstacks/%s:' "$ref" "$ref")"
      rmdir "stacks/$ref"
      fails 'No such file' rmdir "stacks/$ref"
      fails '' mkdir "stacks/$ref/deep/er"
      long=$(printf 'n%.0s' {1..255})
      mkdir "stacks/$long"
      is "$(ls stacks)" "$long"
      rmdir "stacks/$long"
      fails 'File name too long' mkdir "stacks/\${long}n"`;
    await sh(script);
  },

  'what is seen is always what is there: the same layer comes and goes, and others with it': async ({
    sh,
  }) => {
    const script = `${LAYERS}
      layer same
      chain=$(sha256sum < "$scratch/same.tar" | head -c 64)
      for round in {1..15}; do
        mkdir "stacks/$ref"
        push same "$ref"
        is "$(layers)" $chain
        is "$(cat "layers/sha256/$chain/same")" same
        is "$(ls "stacks/$ref/rootfs/")" same
        cmp "$scratch/same.tar" "layers/sha256/$chain.tar"
        if (( round % 2 )); then rm "stacks/$ref/1"; else rmdir "stacks/$ref"; fi
        [[ ! -e layers/sha256/$chain ]]
        [[ ! -e layers/sha256/$chain.tar ]]
        [[ ! -e layers/sha256/$chain/same ]]
        is "$(layers)" ''
        (( round % 2 == 0 )) || rmdir "stacks/$ref"
      done`;
    await sh(script);
  },

  'a path that is remembered leads to nothing once its layer has gone, and never to another': async ({
    sh,
  }) => {
    const script = `${LAYERS}
      mkdir "stacks/$ref"
      layer old; layer new
      push old "$ref"
      chain=$(top "$ref")
      cat "layers/sha256/$chain.tar" "layers/sha256/$chain/old" > /dev/null
      cd "layers/sha256/$chain"
      ls -la . > /dev/null
      (cd "$mountpoint"; rm "stacks/$ref/1"; push new "$ref")
      gone() {
        local said
        said=$(timeout 60 "$@" 2>&1 || true)
        [[ $said =~ (No such file or directory|Stale file handle)$ ]] || { echo "$* said: $said" >&2; return 1; }
      }
      for try in 1 2 3; do
        gone cat ./old
        gone cat ./new
        gone ls -l ./old
        gone ls "$mountpoint/layers/sha256/$chain"
        gone cat "$mountpoint/layers/sha256/$chain.tar"
        said=$(ls . 2>&1 || true)
        [[ $said =~ ^(|old|.*No such file or directory|.*Stale file handle)$ ]]
      done
      cd "$mountpoint"
      is "$(ls "stacks/$ref/rootfs/")" new
      rmdir "stacks/$ref"`;
    await sh(script);
  },

  'an open file of a layer that is taken away says what it said, or that it is stale': async ({ sh }) => {
    const script = `${LAYERS}
      mkdir "stacks/$ref"
      layer old 1
      push old "$ref"
      chain=$(top "$ref")
      large=$(sha256sum < "layers/sha256/$chain/large-old")
      exec 3< "layers/sha256/$chain/old" 4< "layers/sha256/$chain.tar" 5< "layers/sha256/$chain/large-old"
      rmdir "stacks/$ref"
      said() { timeout 60 cat 2>&1 || true; }
      small=$(said <&3)
      [[ $small == old || $small =~ 'Stale file handle'$ ]]
      said <&4 > "$scratch/tar"
      [[ $(tail -c 100 "$scratch/tar" | tr -d '\\0') =~ 'Stale file handle'$ || $(sha256sum < "$scratch/tar") == "$(sha256sum < "$scratch/old.tar")" ]]
      said <&5 > "$scratch/large"
      [[ $(tail -c 100 "$scratch/large" | tr -d '\\0') =~ 'Stale file handle'$ || $(sha256sum < "$scratch/large") == "$large" ]]
      exec 3<&- 4<&- 5<&-
      empties`;
    await sh(script);
  },

  'who walks through a stack that comes and goes finds it whole, or not at all': async ({ mount, t, sh }) => {
    const script = `${LAYERS}
      mkdir -p "$scratch/files-deep/"{a,b,c}/{1..20}
      for directory in "$scratch/files-deep/"*/*/; do echo deep > "$directory/file"; done
      layer deep 1
      walk() {
        local said
        for round in {1..25}; do
          said=$(cat "stacks/$ref/rootfs/deep" 2>&1 || true)
          [[ $said == deep || $said =~ (No such file or directory|Stale file handle)$ ]] || echo "read: $said" >&2
          said=$(grep -rhv deep "stacks/$ref/rootfs/a" 2>&1 | grep -v 'No such file or directory\\|Stale file handle' || true)
          [[ -z $said ]] || { echo "walked: $said" >&2; return 1; }
        done
      }
      walk & first=$!
      walk & second=$!
      for round in {1..12}; do mkdir "stacks/$ref"; push deep "$ref"; ls -lR "stacks/$ref/rootfs/" > /dev/null; rmdir "stacks/$ref"; done
      wait $first
      wait $second
      empties`;
    await sh(script);
    t.is((await mount.status()).defects, 0);
  },

  'space comes back with the last stack that needs it': async ({ mount, t, sh }) => {
    const script = `${LAYERS}
      mkdir "stacks/$ref" "stacks/$ref-2"
      layer shared 3; layer own 2
      used() { echo "used $(du -sk "$store/payloads" | cut -f1)"; }
      push shared "$ref"; push shared "$ref-2"; push own "$ref-2"
      used
      cat "stacks/$ref-2/rootfs/large-own" > /dev/null
      rmdir "stacks/$ref-2"
      used
      cat "stacks/$ref/rootfs/large-shared" > /dev/null
      rmdir "stacks/$ref"
      used
      is "$(layers)" ''`;
    const used = [...(await sh(script)).matchAll(/used (\d+)/g)].map(([, kib]) => Number(kib));
    const [both = 0, one = 0, none = 0] = used;
    t.true(both >= 5120 && one < both - 2000 && one >= 3072 && none < 200, used.join());
    t.is((await mount.status()).counts.pending, 0);
  },

  'two that push to one stack at once both get on it, in some order': async ({ sh }) => {
    const script = `${LAYERS}
      mkdir "stacks/$ref"
      for name in a b c d; do layer $name 1; cp "$scratch/$name.tar" ingest/; done
      for name in a b c d; do mv ingest/$name.tar "stacks/$ref/" & done
      wait
      is "$(ls ingest)" ''
      is "$(ls "stacks/$ref")" $'1\\n2\\n3\\n4\\nrootfs'
      is "$(ls "stacks/$ref/rootfs/" | grep -v large)" $'a\\nb\\nc\\nd'
      mkdir "stacks/$ref-2"
      for name in a b; do cp "$scratch/a.tar" ingest/same-$name; done
      mv ingest/same-a "stacks/$ref-2/" & mv ingest/same-b "stacks/$ref-2/" & wait
      is "$(ls "stacks/$ref-2")" $'1\\n2\\nrootfs'
      rmdir "stacks/$ref" "stacks/$ref-2"
      is "$(layers)" ''`;
    await sh(script);
  },

  'stacks and layers are there after a remount, and after kill -9': async ({ mount, sh }) => {
    const script = `${LAYERS}
      mkdir "stacks/$ref" "stacks/$ref-empty"
      layer one; layer two 1
      push one "$ref"; push two "$ref"
      python3 -c 'import os,sys; print(*sorted(os.listdir(sys.argv[1])))' "stacks/$ref/rootfs/"`;
    await sh(script);
    const after = `${LAYERS}
      is "$(ls "stacks/$ref")" $'1\\n2\\nrootfs'
      is "$(ls "stacks/$ref/rootfs/")" $'large-two\\none\\ntwo'
      is "$(ls "stacks/$ref-empty")" ''
      cmp "$(readlink -f "stacks/$ref/2").tar" "$scratch/two.tar"`;
    await mount.restart();
    await sh(after);
    await mount.kill();
    await mount.mount();
    await sh(`${after}; rmdir "stacks/$ref" "stacks/$ref-empty"; is "$(layers)" ''`);
  },
};

suite(LAYER_VARIANTS, rules);
