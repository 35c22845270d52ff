import { type Rules, suite } from './suite.js';
import { EACH } from './variants.js';

/** Which names there can be, in every place where one can be made. */
const rules: Rules = {
  'each byte from 1 to 255 alone in a name is allowed, or refused for what it is': async ({ sh }) => {
    const script = String.raw`
      said() { local out; if out=$("$@" 2>&1); then echo fine; else echo "$out"; fi; }
      stands() { [[ -e $1 ]]; }
      for byte in {1..255}; do
        (( byte != 47 )) || continue
        printf -v escape '\\x%02x' $byte
        printf -v name "ingest/$ref$escape"
        said=$(said overwrite "$name" x)
        if (( byte < 32 || byte == 127 )); then [[ $said == *'Invalid argument' ]]
        elif (( byte > 127 )); then [[ $said == *'Invalid or incomplete multibyte or wide character' ]]
        else is "$said" fine; stands "$name"; continue
        fi
        if stands "$name"; then false; fi
      done
      is "$(ls ingest | grep -c "^$ref")" 94
      for byte in 01 0a 1b 7f ff; do
        printf -v name "ingest/$ref\\x$byte"
        text='Invalid argument'
        [[ $byte != ff ]] || text=multibyte
        fails "$text" mkdir "$name"
        cp /dev/null "ingest/$ref"
        # mv puts EINVAL in words of its own.
        if [[ $byte != ff ]]; then is "$(call rename "ingest/$ref" "$name")" EINVAL; else fails $text mv -T "ingest/$ref" "$name"; fi
        fails "$text" cp /dev/null "blobs/sha256/.${'$'}{name#ingest/}"
      done
      rm ingest/"$ref"*`;
    await sh(script);
  },

  'names have at most 255 bytes': async ({ sh }) => {
    const script = `
      of() { printf "$ref"; printf "$2%.0s" $(seq 1 $(( ($1 - \${#ref}) / $3 ))); }
      long=$(of 255 x 1)
      echo 1 > "ingest/$long"
      fails 'File name too long' overwrite "ingest/\${long}y" x
      fails 'File name too long' mkdir "ingest/\${long}y"
      fails 'File name too long' mv "ingest/$long" "ingest/\${long}y"
      fails 'File name too long' stat "ingest/\${long}y"
      fails 'File name too long' stat "blobs/sha256/\${long}y"
      fails 'File name too long' overwrite ".\${long}" x
      wide=$(printf é%.0s {1..127})
      echo 2 > "ingest/\${wide}a"
      fails 'File name too long' overwrite "ingest/\${wide}aa" x
      is "$(ls ingest | grep -c "^$ref")" 1
      is "$(cat "ingest/$long" "ingest/\${wide}a" | tr -d '\\n')" 12
      rm "ingest/$long" "ingest/\${wide}a"`;
    await sh(script);
  },

  'names that look alike are different names': async ({ sh }) => {
    const script = String.raw`
      mkdir "ingest/$ref"
      cd "ingest/$ref"
      names=($'caf\xc3\xa9' $'cafe\xcc\x81' $'CAF\xc3\x89' $'\xef\xbb\xbfx' x X ' ' '  ' ... - '*' '\' '"' $'\xe2\x80\xae')
      for name in "${'$'}{names[@]}"; do printf %s "$name" > "./$name"; done
      is "$(ls -A | wc -l)" "${'$'}{#names[@]}"
      for name in "${'$'}{names[@]}"; do is "$(cat "./$name")" "$name"; done`;
    await sh(script);
  },

  '`..` leads up inside the mount and out of it, and is no name': async ({ source, sh }) => {
    const script = `
      mkdir -p "ingest/$ref/a"
      cp "$src" "ingest/$ref/a/../../../ingest/$ref/b"
      cmp "$src" "ingest/$ref/b"
      if mv "ingest/$ref/b" blobs/sha256/.. 2> /dev/null; then
        [[ -e blobs/b ]] && false
      fi
      if overwrite ingest/.. x 2> /dev/null || mkdir ingest/.. 2> /dev/null || rmdir "ingest/$ref/a/.." 2> /dev/null; then false; fi
      is "$(stat -c %i ingest/..)" "$(stat -c %i .)"
      is "$(stat -c %d:%i "$mountpoint/..")" "$(stat -c %d:%i "$(dirname "$mountpoint")")"
      mv "ingest/$ref/b" "blobs/../ingest/../$blob"
      cmp "$src" "$blob"`;
    await sh(script, await source());
  },
};

suite(EACH, rules);
