import { setTimeout as sleep } from 'node:timers/promises';
import { type Rules, suite } from './suite.js';
import { ALL } from './variants.js';

/** Files that tools make outside `ingest/`: as root the kernel writes them without the daemon. */
const rules: Rules = {
  'they are written without the daemon where that can be, and committed like others': async (check) => {
    const { t, answers, mount, source, sh } = check;
    const writes = async (): Promise<number> => (await mount.status()).operations['WRITE']?.count ?? 0;
    const before = await writes();
    const script = `
      mkdir -p ".$ref"
      for place in "oci-put-$ref" ".$ref/blob" "blobs/sha256/.$ref"; do
        cp "$src" "$place"
        cmp "$src" "$place"
        is "$(stat -c %s "$place")" "$(stat -c %s "$src")"
        fails 'Bad message' mv "$place" "\${blob%?????}00000"
        cmp "$src" "$place"
        mv "$place" "$blob"
        cmp "$src" "$blob"
        rm "$blob"
      done
      cp "$src" "ingest/$ref"`;
    await sh(script, await source());
    const count = (await writes()) - before;
    t.log(`${count} writes`);
    // Those into ingest/ are the daemon's.
    t.true(count > 0);
    if (answers.passthrough) t.true(count <= 10);
  },

  'while one is written others read it, and nobody else writes it': async ({ source, sh }) => {
    const script = `
      exec 5> "oci-put-$ref"
      head -c 100000 "$src" >&5
      exec 6< "oci-put-$ref"
      cmp -n 100000 "oci-put-$ref" "$src"
      cmp -n 50000 <(head -c 50000 <&6) "$src"
      fails 'Device or resource busy' dd if="$src" of="oci-put-$ref" status=none
      fails 'Device or resource busy' truncate -s 0 "oci-put-$ref"
      tail -c +100001 "$src" >&5
      cmp <(cat <&6) <(tail -c +50001 "$src")
      exec 5>&-
      cmp "oci-put-$ref" "$src"
      mv "oci-put-$ref" "$blob"
      cmp "$src" "$blob"
      exec 6<&-
      cmp "$src" "$blob"`;
    await sh(script, await source());
  },

  'one that is closed is hashed, can be written again, moved and resumed': async ({ t, source, sh }) => {
    const variables = await source();
    await sh('head -c 100000 "$src" > "oci-put-$ref"', variables);
    const digest = 'getfattr --only-values -n user.cas.digest "oci-put-$ref"';
    const expected = `sha256:${await sh('head -c 100000 "$src" | sha256sum | head -c 64', variables)}`;
    let found = '';
    for (let tries = 0; tries < 600 && found !== expected; tries++) {
      found = await sh(digest, variables);
      await sleep(50);
    }
    t.is(found, expected);
    const script = `
      tail -c +100001 <(head -c 200000 "$src") >> "oci-put-$ref"
      mv "oci-put-$ref" "ingest/$ref"
      tail -c +200001 "$src" >> "ingest/$ref"
      mv "ingest/$ref" "$blob"
      cmp "$src" "$blob"`;
    await sh(script, variables);
  },

  'one that is removed or replaced while it is written costs nothing': async ({ source, sh }) => {
    const script = `
      exec 5> "oci-put-$ref" 6> "oci-put-$ref-2"
      cat "$src" >&5
      rm "oci-put-$ref"
      [[ ! -e oci-put-$ref ]]
      echo more >&5 || true
      exec 5>&-
      cp "$src" "oci-put-$ref"
      fails 'Device or resource busy' mv "oci-put-$ref" "oci-put-$ref-2"
      exec 6>&-
      mv "oci-put-$ref" "oci-put-$ref-2"
      mv "oci-put-$ref-2" "$blob"
      cmp "$src" "$blob"`;
    await sh(script, await source());
  },
};

suite(ALL, rules);
