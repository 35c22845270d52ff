import { type Rules, suite } from './suite.js';
import { ALL } from './variants.js';

/** How names come to be under `blobs/`, and that nothing else does. */
const rules: Rules = {
  'a wrong digest is refused with its reason, and the ingest goes on': async ({ source, sh }) => {
    const script = `
      head -c 1000 "$src" > "ingest/$ref"
      fails 'Bad message' mv "ingest/$ref" "$blob"
      [[ ! -e $blob ]]
      getfattr --only-values -n user.cas.error "ingest/$ref" | grep -q "expected sha256:$hex, found sha256:$(head -c 1000 "$src" | sha256sum | head -c 64)"
      cmp "ingest/$ref" <(head -c 1000 "$src")
      tail -c +1001 "$src" >> "ingest/$ref"
      fails 'No such attribute' getfattr -n user.cas.error "ingest/$ref"
      mv "ingest/$ref" "$blob"
      cmp "$src" "$blob"`;
    await sh(script, await source());
  },

  'each algorithm names the content as its own tool does': async ({ source, sh }) => {
    const script = `
      for tool in sha256:sha256sum sha512:sha512sum blake3:b3sum; do
        algorithm=\${tool%:*}
        name=blobs/$algorithm/$(\${tool#*:} < "$src" | cut -d' ' -f1)
        cp "$src" "ingest/$ref"
        fails 'Bad message' mv "ingest/$ref" "\${name%?????}00000"
        mv "ingest/$ref" "$name"
        cmp "$src" "$name"
        is "$(getfattr --only-values -n user.cas.digest "$name")" "$algorithm:\${name##*/}"
      done`;
    await sh(script, await source());
  },

  'what is there already is committed again and again, and stays what it was': async ({ source, sh }) => {
    const script = `
      cp "$src" "$blob"
      before=$(stat -c '%i %Y %s' "$blob")
      for round in 1 2; do
        cp "$src" "ingest/$ref"
        mv -f "ingest/$ref" "$blob"
        [[ ! -e ingest/$ref ]]
      done
      cp "$src" "ingest/$ref"
      ln "ingest/$ref" "$blob" 2> /dev/null || mv "ingest/$ref" "$blob"
      is "$(stat -c '%i %Y %s' "$blob")" "$before"
      cmp "$src" "$blob"`;
    await sh(script, await source());
  },

  'RENAME_NOREPLACE keeps the ingest, and names are not exchanged': async ({ answers, source, sh }) => {
    const script = `
      cp "$src" "$blob"
      cp "$src" "ingest/$ref"
      : > "ingest/$ref-2"
      for target in "$blob" "ingest/$ref-2"; do
        is "$(call rename-noreplace "ingest/$ref" "$target")" EEXIST
        is "$(call rename-exchange "ingest/$ref" "$target")" EINVAL
      done
      is "$(call rename-noreplace "ingest/$ref" "ingest/$ref-3")" ${answers.noReplace}
      [[ ! -e ingest/$ref-3 ]] || mv "ingest/$ref-3" "ingest/$ref"
      mv -n "ingest/$ref" "ingest/$ref-2"
      cmp "$src" "ingest/$ref"
      mv "ingest/$ref" "ingest/$ref-2"
      cmp "$src" "ingest/$ref-2"
      cmp "$src" "$blob"`;
    await sh(script, await source());
  },

  'touch makes the blob of no bytes, and sets its times': async ({ sh }) => {
    const script = `
      blob=blobs/sha512/$(sha512sum < /dev/null | cut -d' ' -f1)
      rm -f "$blob"
      touch "$blob"
      [[ -f $blob && ! -s $blob ]]
      rm "$blob"
      touch -d '2001-02-03 04:05:06.789 UTC' "$blob"
      is "$(TZ=UTC stat -c '%y %a' "$blob")" '2001-02-03 04:05:06.789000000 +0000 444'`;
    await sh(script);
  },

  'a file made under its digest is there when it is closed': async ({ source, sh }) => {
    const script = `
      exec 3> "$blob"
      head -c 1000 "$src" >&3 || true
      [[ ! -e $blob ]]
      is "$(ls blobs/sha256 | grep -c "$hex" || true)" 0
      tail -c +1001 "$src" >&3
      exec 3>&-
      cmp "$src" "$blob"
      is "$(stat -c %a "$blob")" 444`;
    await sh(script, await source());
  },

  'a file made under a wrong digest fails when it is closed, and is nowhere': async ({ source, sh }) => {
    const script = `
      fails 'Bad message' cp "$other" "$blob"
      [[ ! -e $blob ]]
      fails 'Bad message' dd if="$other" of="$blob" status=none
      fails 'Bad message' touch "$blob"
      is "$(find . -type f | grep -c "$hex" || true)" 0
      cp "$src" "$blob"
      cmp "$src" "$blob"`;
    await sh(script, { ...(await source()), other: (await source()).src });
  },

  'a file under the digest of a blob is written beside it, and checked': async ({ source, sh }) => {
    const script = `
      cp "$src" "$blob"
      before=$(stat -c '%i %s %a %u %g %Y' "$blob")
      fails 'Read-only file system' truncate -s 0 "$blob"
      for round in 1 2; do cat "$src" > "$blob"; done
      fails 'Bad message' dd if=/dev/zero of="$blob" count=1 status=none
      fails 'Bad message' cp /etc/passwd "$blob"
      is "$(stat -c '%i %s %a %u %g %Y' "$blob")" "$before"
      chmod u+w "$store/$blob"
      echo damaged > "$store/$blob"
      chmod u-w "$store/$blob"
      cat "$src" > "$blob"
      cmp "$src" "$blob"
      is "$(ls -A blobs/sha256 | grep -c "$hex")" 1`;
    await sh(script, await source());
  },

  'tools lock, change and remove their directories beside the fixed ones': async ({ source, sh }) => {
    const script = `
      mkdir -m 0700 ".umoci-$ref"
      is "$(stat -c %a ".umoci-$ref")" 700
      exec 3< ".umoci-$ref"
      flock -n 3
      fails '' flock -n ".umoci-$ref" true
      flock -u 3
      flock -n ".umoci-$ref" true
      sync ".umoci-$ref"
      for temporary in ".umoci-$ref/blob" "oci-put-blob-$ref" "ingest/\${hex}_123"; do
        (set -C; cat "$src" > "$temporary")
        fails 'cannot overwrite' bash -c 'set -C; > "$0"' "$temporary"
        chmod 0444 "$temporary"
        sync "$temporary"
        mv -f "$temporary" "$blob"
        cmp "$src" "$blob"
      done
      exec 4> ".umoci-$ref/open"
      rm ".umoci-$ref/open"
      rmdir ".umoci-$ref"
      exec 3<&- 4>&-`;
    await sh(script, await source());
  },

  'no content is content too, however it is committed': async ({ sh }) => {
    const script = `
      for tool in sha256:sha256sum sha512:sha512sum blake3:b3sum; do
        name=blobs/\${tool%:*}/$(\${tool#*:} < /dev/null | cut -d' ' -f1)
        : > "ingest/$ref"
        mv "ingest/$ref" "$name"
        is "$(stat -c '%s %a' "$name")" '0 444'
        cmp /dev/null "$name"
        rm -f "$name"
        : > "$name"
        is "$(stat -c '%s %a' "$name")" '0 444'
        rm -f "$name"
        cp /dev/null "$name"
      done`;
    await sh(script);
  },

  'temporary names beside the blobs are ingests': async ({ source, sh }) => {
    const script = `
      for name in ".$hex.AbCdEf" "$hex.tmp" "\${hex}123456" upload.part .hidden x.partial x.temp; do
        cp "$src" "blobs/sha256/$name"
        ls -A blobs/sha256 | grep -qx -- "$name"
        is "$(getfattr --only-values -n user.cas.ref "blobs/sha256/$name")" "/blobs/sha256/$name"
        mv -f "blobs/sha256/$name" "$blob"
        [[ ! -e blobs/sha256/$name ]]
      done
      cmp "$src" "$blob"
      echo x > blobs/sha256/y.tmp
      rm blobs/sha256/y.tmp`;
    await sh(script, await source());
  },

  'a name that is no digest is refused, and so is an unknown algorithm': async ({ source, sh }) => {
    const script = `
      cp "$src" "ingest/$ref"
      for name in latest "\${hex%?}" "\${hex^^}" "\${hex%?}g" "sha256:$hex" "x$hex"; do
        [[ ! -e blobs/sha256/$name ]]
        fails 'Invalid argument' overwrite "blobs/sha256/$name" x
        is "$(call rename "ingest/$ref" "blobs/sha256/$name")" EINVAL
        fails 'Invalid argument' mkdir "blobs/sha256/$name"
        fails 'Invalid argument' ln "ingest/$ref" "blobs/sha256/$name"
      done
      for name in md5 SHA256 sha1 latest; do
        fails 'Invalid argument' mkdir "blobs/$name"
        fails 'Invalid argument' overwrite "blobs/$name" x
        fails 'No such file' overwrite "blobs/$name/$hex" x
      done
      fails 'File exists' mkdir blobs/sha256
      fails 'Invalid argument' overwrite "blobs/sha512/$hex" x
      mv "ingest/$ref" "$blob"`;
    await sh(script, await source());
  },

  'nothing changes a blob': async ({ source, sh }) => {
    const script = `
      cp "$src" "$blob"
      before=$(stat -c '%i %s %a %u %g %Y' "$blob")
      fails 'Read-only file system' append "$blob" x
      fails 'Read-only file system' truncate -s 0 "$blob"
      fails 'Read-only file system' dd if=/dev/zero of="$blob" count=1 conv=notrunc status=none
      fails 'File exists' dd if=/dev/zero of="$blob" count=1 conv=excl status=none
      for mode in u+w 0644 0777 4444 u+s; do fails 'Read-only file system' chmod $mode "$blob"; done
      for mode in 0444 0400 a-w; do chmod $mode "$blob"; done
      fails 'Read-only file system' chown 1:1 "$blob"
      fails 'Read-only file system' mv "$blob" "ingest/$ref"
      fails 'Read-only file system' mv "$blob" "blobs/sha256/.$ref"
      fails 'Operation not permitted' ln "$blob" "ingest/$ref"
      fails 'Operation not permitted' ln -s "$hex" "blobs/sha256/.$ref"
      fails 'Read-only file system' overwrite .cas/version x
      fails 'Read-only file system' overwrite .cas/other x
      is "$(stat -c '%i %s %a %u %g %Y' "$blob")" "$before"
      cmp "$src" "$blob"`;
    await sh(script, await source());
  },

  'a blob is removed by rm; who reads it reads on; it can come again': async ({ source, sh }) => {
    const script = `
      cp "$src" "$blob"
      exec 3< "$blob"
      head -c 10 <&3 > /dev/null
      rm -f "$blob"
      [[ ! -e $blob ]]
      fails 'No such file' cat "$blob"
      is "$(ls blobs/sha256 | grep -c "$hex" || true)" 0
      cmp <(cat <&3) <(tail -c +11 "$src")
      cp "$src" "$blob"
      cmp "$src" "$blob"`;
    await sh(script, await source());
  },

  'a link commits, and the old name stays as a read-only second one': async ({ source, sh }) => {
    const script = `
      cp "$src" "ingest/$ref"
      fails 'Bad message' ln "ingest/$ref" "blobs/sha256/$(echo other | sha256sum | head -c 64)"
      ln "ingest/$ref" "$blob"
      cmp "$src" "$blob"
      cmp "$src" "ingest/$ref"
      fails 'Read-only file system' append "ingest/$ref" x
      rm "ingest/$ref"
      [[ ! -e ingest/$ref ]]
      cmp "$src" "$blob"`;
    await sh(script, await source());
  },

  'a second writer is refused at once, readers are not': async ({ source, sh }) => {
    const script = `
      exec 3> "ingest/$ref"
      head -c 1000 "$src" >&3
      fails 'Device or resource busy' overwrite "ingest/$ref" x
      fails 'Device or resource busy' append "ingest/$ref" x
      fails 'Device or resource busy' truncate -s 0 "ingest/$ref"
      : > "ingest/$ref-2"
      fails 'Device or resource busy' mv "ingest/$ref-2" "ingest/$ref"
      cmp "ingest/$ref" <(head -c 1000 "$src")
      tail -c +1001 "$src" >&3
      cmp "ingest/$ref" "$src"
      exec 3>&-
      append "ingest/$ref" ''
      mv "ingest/$ref" "$blob"`;
    await sh(script, await source());
  },

  'a commit seals: what is written through an old descriptor afterwards fails': async ({ source, sh }) => {
    const script = `
      exec 3> "ingest/$ref"
      cat "$src" >&3
      mv "ingest/$ref" "$blob"
      fails 'Bad file descriptor' bash -c 'echo late >&3'
      exec 3>&-
      cmp "$src" "$blob"
      exec 3<> "ingest/$ref"
      echo x >&3
      rm "ingest/$ref"
      fails 'Bad file descriptor' bash -c 'echo late >&3'
      exec 3>&-
      [[ ! -e ingest/$ref ]]`;
    await sh(script, await source());
  },

  'a writable shared mapping is refused: what it stores could come after the commit': async ({
    source,
    sh,
  }) => {
    const script = `
      cp "$src" "ingest/$ref"
      is "$(call map-shared "ingest/$ref")" ENODEV
      mv "ingest/$ref" "$blob"
      cmp "$src" "$blob"`;
    await sh(script, await source());
  },

  'who has an ingest open reads on over the commit, who opens the blob reads the blob': async ({
    source,
    sh,
  }) => {
    const script = `
      cp "$old" "ingest/$ref"
      cmp "$old" "ingest/$ref"
      is "$(call map-private "ingest/$ref" | sha256sum)" "$(sha256sum < "$old")"
      cat "$src" > "ingest/$ref"
      exec 3< "ingest/$ref"
      head -c 1000 <&3 | cmp - <(head -c 1000 "$src")
      mv "ingest/$ref" "$blob"
      cmp <(cat <&3) <(tail -c +1001 "$src")
      cmp "$src" "$blob"
      is "$(call map-private "$blob" | sha256sum | head -c 64)" "$hex"`;
    await sh(script, { ...(await source()), old: (await source()).src });
  },

  'the root and the fixed directories stay; files beside them are ingests': async ({ source, sh }) => {
    const script = `
      for name in ingest blobs .cas; do
        if rmdir $name; then false; fi
        if mv -T $name $ref; then false; fi
        fails 'exists' mkdir $name
      done 2> /dev/null
      if rmdir blobs/sha256; then false; fi 2> /dev/null
      cp "$src" "$ref"
      is "$(getfattr --only-values -n user.cas.ref "$ref")" "/$ref"
      mkdir -p ".$ref-dir/a"
      mv "$ref" ".$ref-dir/a/oci-put-blob1"
      mv ".$ref-dir/a/oci-put-blob1" "$blob"
      rm -r ".$ref-dir"
      cmp "$src" "$blob"
      grep -q . .cas/version
      "$node" -e 'JSON.parse(fs.readFileSync(".cas/stats"))'`;
    await sh(script, await source());
  },
};

suite(ALL, rules);
