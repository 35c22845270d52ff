import { type Rules, suite } from './suite.js';
import { serveFile } from './web-server.js';
import { ALL } from './variants.js';

const COMMIT = 'mv "ingest/$ref" "$blob"; cmp "$src" "$blob"; [[ ! -e ingest/$ref ]]';

/** What people type. Whatever tool wrote a file, `sha256sum` tells its name, and `mv` commits it. */
const rules: Rules = {
  'cp and mv: a file is copied in and committed': async ({ t, source, sh }) => {
    const script = `
      cp "$src" "ingest/$ref"
      cmp "$src" "ingest/$ref"
      ${COMMIT}
      (cd blobs/sha256 && echo "$hex  $hex" | sha256sum -c --quiet)
      stat -c '%a %s %h' "$blob"`;
    t.is(await sh(script, await source(3_000_001)), '444 3000001 1\n');
  },

  'cp straight to the digest, also with its mode and times': async ({ source, sh }) => {
    await sh('cp "$src" "$blob"; cmp "$src" "$blob"', await source());
    const script =
      'cp -p "$src" "ingest/$ref"; is "$(stat -c %a:%Y "ingest/$ref")" "$(stat -c %a:%Y "$src")"';
    await sh(`${script}; ${COMMIT}`, await source());
  },

  'cat: > writes a file, >> goes on with it, > begins anew': async ({ source, sh }) => {
    const script = `
      echo rubbish > "ingest/$ref"
      head -c 100000 "$src" > "ingest/$ref"
      tail -c +100001 "$src" >> "ingest/$ref"
      cmp "$src" "ingest/$ref"
      ${COMMIT}`;
    await sh(script, await source());
  },

  'tee and tee -a: one stream goes to the store and on': async ({ source, sh }) => {
    const script = `
      head -c 1000 "$src" | tee "ingest/$ref" | cmp - <(head -c 1000 "$src")
      tail -c +1001 "$src" | tee -a "ingest/$ref" > /dev/null
      ${COMMIT}`;
    await sh(script, await source());
  },

  'dd: blocks in any order, at any place, with any flag': async ({ source, sh }) => {
    const copy = 'dd status=none if="$src" of="ingest/$ref" bs=64k conv=notrunc';
    const script = `
      for block in 3 0 4 1 2; do ${copy} skip=$block seek=$block count=1; done
      cmp "$src" "ingest/$ref"
      ${COMMIT}
      dd status=none if="$src" of="ingest/$ref" bs=64k count=2 conv=fsync
      dd status=none if="$src" of="ingest/$ref" bs=64k skip=2 oflag=append conv=notrunc
      cmp "$src" "ingest/$ref"
      dd status=none if="$src" of="ingest/$ref" bs=64k seek=1 skip=1
      cmp "$src" "ingest/$ref"
      is "$(dd status=none if="ingest/$ref" bs=1 skip=5000 count=50 | sha256sum)" "$(tail -c +5001 "$src" | head -c 50 | sha256sum)"`;
    await sh(script, await source());
  },

  'truncate: a file is cut, extended by zeros, emptied': async ({ source, sh }) => {
    const script = `
      cp "$src" "ingest/$ref"
      cp "$src" "$scratch/$ref"
      for size in 100000 200000 150001; do
        truncate -s $size "ingest/$ref" "$scratch/$ref"
        cmp "ingest/$ref" "$scratch/$ref"
      done
      mv "ingest/$ref" "blobs/sha256/$(sha256sum < "$scratch/$ref" | head -c 64)"
      cp "$src" "ingest/$ref"
      truncate -s 0 "ingest/$ref"
      is "$(stat -c %s "ingest/$ref")" 0
      cat "$src" >> "ingest/$ref"
      ${COMMIT}`;
    await sh(script, await source());
  },

  'install: directories and permissions are as asked for': async ({ source, sh }) => {
    const script = `
      install -D -m 0640 "$src" "ingest/$ref/a/b/file"
      is "$(stat -c %a "ingest/$ref/a/b/file")" 640
      mv "ingest/$ref/a/b/file" "$blob"
      cmp "$src" "$blob"`;
    await sh(script, await source());
  },

  'rsync: to an ingest, over what is there, and straight to the digest': async ({ source, sh }) => {
    const script = `
      rsync "$src" "ingest/$ref"
      cmp "$src" "ingest/$ref"
      rsync -a --checksum --no-whole-file "$src" "ingest/$ref"
      is "$(ls -A "ingest" | grep -c "^[.]$ref" || true)" 0
      is "$(stat -c %Y "ingest/$ref")" "$(stat -c %Y "$src")"
      rsync -a "$src" "$blob"
      cmp "$src" "$blob"
      is "$(ls -A blobs/sha256 | grep -c '^[.]' || true)" 0
      fails 'Bad message' rsync "$src" "$wrong"
      [[ ! -e $wrong ]]`;
    await sh(script, { ...(await source()), wrong: (await source(1000)).blob });
  },

  'rsync --inplace and --append: an interrupted copy goes on': async ({ source, sh }) => {
    const script = `
      head -c 100000 "$src" > "ingest/$ref"
      rsync --append "$src" "ingest/$ref"
      cmp "$src" "ingest/$ref"
      ${COMMIT}
      { head -c 100000 "$src"; head -c 50000 /dev/zero; } > "ingest/$ref"
      rsync --inplace --no-whole-file "$src" "ingest/$ref"
      cmp "$src" "ingest/$ref"
      ${COMMIT}`;
    await sh(script, await source());
  },

  'rsync -a: a tree with its times and permissions': async ({ source, sh }) => {
    const script = `
      mkdir -p "$scratch/$ref/a/b" "$scratch/$ref/empty"
      cp "$src" "$scratch/$ref/a/b/large"
      echo small > "$scratch/$ref/small"
      chmod 0600 "$scratch/$ref/small"
      rsync -a "$scratch/$ref" ingest/
      diff -r "$scratch/$ref" "ingest/$ref"
      diff <(cd "$scratch" && find "$ref" -type f -printf '%p %m %s %TY-%Tm-%Td %TT\\n' | sort) \\
           <(cd ingest && find "$ref" -type f -printf '%p %m %s %TY-%Tm-%Td %TT\\n' | sort)
      is "$(rsync -ain "$scratch/$ref" ingest/ | grep -c '^[<>ch]f' || true)" 0`;
    await sh(script, await source());
  },

  'curl: a transfer that broke off goes on where it was': async ({ t, mount, source, sh }) => {
    const origin = await source(3_000_001);
    const server = await serveFile(origin.src);
    t.teardown(() => server.close());
    server.breakAt(1_000_000);
    const first = await mount.run('curl -sS -o "ingest/$ref" "$url"', { ref: 'curl', url: server.url });
    t.is(first.code, 18, first.stderr);
    const there = Number(await sh('stat -c %s ingest/curl'));
    t.true(there > 0 && there < 3_000_001, `${there} bytes`);
    await sh('curl -sS -C - -o ingest/curl "$url"; mv ingest/curl "$blob"; cmp "$src" "$blob"', {
      ...origin,
      url: server.url,
    });
    t.deepEqual(server.ranges, [undefined, `bytes=${there}-`]);
  },

  'touch: makes a file, sets its times, and those of a blob': async ({ source, sh }) => {
    const script = `
      touch "ingest/$ref"
      is "$(stat -c %s "ingest/$ref")" 0
      cat "$src" > "ingest/$ref"
      touch -d '2001-02-03 04:05:06.789012345 UTC' "ingest/$ref"
      is "$(TZ=UTC stat -c %y "ingest/$ref")" '2001-02-03 04:05:06.789012345 +0000'
      before=$(date +%s)
      ${COMMIT}
      (( $(stat -c %Y "$blob") >= before ))
      touch -d '1999-12-31 23:59:59.5 UTC' "$blob"
      is "$(TZ=UTC stat -c %y "$blob")" '1999-12-31 23:59:59.500000000 +0000'`;
    await sh(script, await source());
  },

  'ln: to a digest it commits, and nowhere else': async ({ source, sh }) => {
    const script = `
      cp "$src" "ingest/$ref"
      fails 'Operation not permitted' ln "ingest/$ref" "ingest/$ref-2"
      fails 'Operation not permitted' ln -s "$ref" "ingest/$ref-2"
      ln "ingest/$ref" "$blob"
      cmp "$src" "$blob"
      cmp "$src" "ingest/$ref"
      is "$(stat -c %a "$blob")" 444
      if append "ingest/$ref" more; then false; fi 2> /dev/null
      rm -f "ingest/$ref"
      cmp "$src" "$blob"`;
    await sh(script, await source());
  },

  'mkdir -p, rmdir, rm, mv and find: directories are directories': async ({ source, sh }) => {
    const script = `
      mkdir -p "ingest/$ref/a/b/c" "ingest/$ref/d"
      cp "$src" "ingest/$ref/a/b/file"
      fails 'File exists' mkdir "ingest/$ref/a"
      fails 'Directory not empty' rmdir "ingest/$ref/a/b"
      fails 'Is a directory' rm "ingest/$ref/a"
      fails 'Not a directory' rmdir "ingest/$ref/a/b/file"
      fails 'No such file' rmdir "ingest/$ref/none"
      is "$(cd ingest && find "$ref" | sort | tr '\\n' ' ')" "$ref $ref/a $ref/a/b $ref/a/b/c $ref/a/b/file $ref/d "
      mv "ingest/$ref/a" "ingest/$ref/d/moved"
      cmp "$src" "ingest/$ref/d/moved/b/file"
      fails 'subdirectory of itself' mv "ingest/$ref/d" "ingest/$ref/d/moved"
      mv "ingest/$ref/d/moved/b/file" "$blob"
      rmdir "ingest/$ref/d/moved/b/c"
      rm -r "ingest/$ref"
      [[ ! -e ingest/$ref ]]`;
    await sh(script, await source());
  },

  'ls, find and du: what is listed is what is there': async ({ source, sh }) => {
    const script = `
      cp "$src" "$blob"
      echo abc > "ingest/$ref"
      is "$(ls blobs | tr '\\n' ' ')" 'blake3 sha256 sha512 '
      is "$(ls -l "$blob" | cut -d' ' -f1,5)" "-r--r--r-- $(stat -c %s "$src")"
      is "$(ls -l ingest | grep "$ref" | cut -d' ' -f1)" -rw-r--r--
      is "$(ls blobs/sha256 | grep -c "^$hex$")" 1
      is "$(find . -type f -name "$hex")" "./$blob"
      is "$(find blobs -perm /222 -type f -not -name '.*')" ''
      (( $(du -k "$blob" | cut -f1) >= $(stat -c %s "$src") / 1024 ))
      ls -lR . > /dev/null`;
    await sh(script, await source());
  },

  'getfattr and setfattr: expectations, progress and labels': async ({ t, answers, source, sh }) => {
    const set = `setfattr -n user.cas.label.org.example -v 'two words' "$blob"`;
    const label =
      answers.setLabel === 'OK'
        ? `${set}
      is "$(value label.org.example "$blob")" 'two words'
      fails 'Operation not permitted' setfattr -n user.cas.digest -v x "$blob"
      fails 'Operation not supported' setfattr -n user.other -v x "$blob"`
        : `fails '${answers.setLabel}' ${set}`;
    const script = `
      value() { getfattr --only-values -n "user.cas.$1" "$2"; }
      cp "$src" "ingest/$ref"
      is "$(value ref "ingest/$ref")" "$ref"
      is "$(value digest "ingest/$ref")" "sha256:$hex"
      is "$(value offset "ingest/$ref")" "$(stat -c %s "$src")"
      [[ $(value started "ingest/$ref") < $(value updated "ingest/$ref") || $(value started "ingest/$ref") == $(value updated "ingest/$ref") ]]
      fails 'Operation not permitted' setfattr -n user.cas.digest -v x "ingest/$ref"
      fails 'Operation not supported' setfattr -n user.other -v x "ingest/$ref"
      fails 'Invalid argument' setfattr -n user.cas.total -v many "ingest/$ref"
      fails 'Invalid argument' setfattr -n user.cas.expected -v sha256:12 "ingest/$ref"
      setfattr -n user.cas.total -v 5 "ingest/$ref"
      fails 'Bad message' mv "ingest/$ref" "$blob"
      value error "ingest/$ref" | grep -q 'size'
      setfattr -n user.cas.total -v "$(stat -c %s "$src")" "ingest/$ref"
      setfattr -n user.cas.expected -v "sha256:$(echo other | sha256sum | head -c 64)" "ingest/$ref"
      fails 'Bad message' mv "ingest/$ref" "$blob"
      setfattr -x user.cas.expected "ingest/$ref"
      fails 'No such attribute' getfattr -n user.cas.expected "ingest/$ref"
      ${COMMIT}
      is "$(value digest "$blob")" "sha256:$hex"
      is "$(date -d "$(value committed "$blob")" +%s)" "$(stat -c %Y "$blob")"
      ${label}
      getfattr -d -m - "$blob" | grep '^user' | cut -d= -f1`;
    const labels = answers.setLabel === 'OK' ? ['user.cas.label.org.example'] : [];
    const names = ['user.cas.committed', 'user.cas.digest', ...labels];
    t.is(await sh(script, await source()), `${names.join('\n')}\n`);
  },

  'a blob can be mapped and run': async ({ source, sh }) => {
    const script = `
      cp "$src" "ingest/$ref"
      is "$(call map-private "ingest/$ref" | sha256sum | head -c 64)" "$hex"
      ${COMMIT}
      is "$(call map-private "$blob" | sha256sum | head -c 64)" "$hex"
      program=blobs/sha256/$(sha256sum < /bin/echo | head -c 64)
      cp /bin/echo "$program"
      loaders=(/lib64/ld-linux-*.so.* /lib/ld-linux-*.so.*)
      for loader in "\${loaders[@]}"; do [[ ! -x $loader ]] || break; done
      is "$("$loader" "./$program" it runs)" 'it runs'
      fails 'Permission denied' "./$program"`;
    await sh(script, await source());
  },

  'wc, head, tail, sha256sum, od: any part is read': async ({ source, sh }) => {
    const script = `
      cp "$src" "$blob"
      for filter in 'wc -c' 'head -c 70000' 'tail -c 70000' 'tail -c +131073' sha256sum 'dd status=none bs=7777 skip=3 count=11'; do
        is "$($filter < "$blob" | sha256sum)" "$($filter < "$src" | sha256sum)"
      done
      is "$(od -An -tx1 -j 299999 -N 100 "$blob")" "$(od -An -tx1 -j 299999 -N 100 "$src")"`;
    await sh(script, await source());
  },

  'tar: the whole mount is packed, and a tree unpacked into it': async ({ source, sh }) => {
    const script = `
      mkdir -p "$scratch/$ref/tree/a/b" "$scratch/$ref/out"
      cp "$src" "$scratch/$ref/tree/a/b/file"
      tar -cf "$scratch/$ref/tree.tar" -C "$scratch/$ref/tree" .
      mkdir "ingest/$ref"
      tar -xf "$scratch/$ref/tree.tar" -C "ingest/$ref"
      diff -r "$scratch/$ref/tree" "ingest/$ref"
      mv "ingest/$ref/a/b/file" "$blob"
      tar -cf "$scratch/$ref/mount.tar" -C "$mountpoint" blobs ingest
      tar -xf "$scratch/$ref/mount.tar" -C "$scratch/$ref/out"
      diff -r blobs "$scratch/$ref/out/blobs"
      diff -r ingest "$scratch/$ref/out/ingest"
      tar -cf - . | cat > /dev/null`;
    await sh(script, await source());
  },

  'flock: locks are kept among the processes of the machine': async ({ sh }) => {
    const script = `
      : > "ingest/$ref"
      exec 3< "ingest/$ref"
      flock -n 3
      if flock -n "ingest/$ref" true; then false; fi
      exec 3<&-
      flock -n "ingest/$ref" true`;
    await sh(script);
  },
};

suite(ALL, rules);
