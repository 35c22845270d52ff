import fs from 'node:fs';
import { seededBytes } from '../helpers/bytes.js';
import { digestsOfFiles } from '../helpers/digests.js';
import { hexOf } from '../../store/digest.js';
import type { Random } from './form.js';

/*
 * Writers that go on until the daemon is killed: scripts of bash, each a process that says what was acknowledged to it
 * in files outside the mount. An ingest is called `<writer>-<hex>`, and its source is `$sources/<hex>`.
 */

const MIB = 1 << 20;

/** How a writer writes, and how large what it writes is. */
interface Style {
  readonly name: string;
  readonly sizes: readonly [low: number, high: number];
  /** How many files it gets for one round: more than it can write. */
  readonly files: number;
  /** Writes and commits `$src`. */
  readonly ingest: string;
}

const STYLES: readonly Style[] = [
  {
    name: 'small',
    sizes: [100, 50_000],
    files: 30,
    ingest: `
      case $((turn % 3)) in
        0) cp "$src" "ingest/$ref"; mv -f "ingest/$ref" "$blob" ;;
        1) echo "$hex" > "$direct"; cp "$src" "$blob"; : > "$direct" ;;
        2) cp "$src" "ingest/$ref"; ln "ingest/$ref" "$blob"; acknowledge; rm "ingest/$ref" ;;
      esac`,
  },
  {
    name: 'appending',
    sizes: [20_000, 3 * MIB],
    files: 8,
    ingest: `
      for part in 0 1 2; do
        tail -c +$((part * third + 1)) "$src" | head -c $((part == 2 ? size : third)) >> "ingest/$ref"
        has $((part == 2 ? size : (part + 1) * third))
        (( part > 0 )) || setfattr -n user.cas.total -v $size "ingest/$ref"
      done
      mv -f "ingest/$ref" "$blob"`,
  },
  {
    name: 'seeking',
    sizes: [20_000, 3 * MIB],
    files: 8,
    ingest: `
      for part in 2 0 1; do
        dd if="$src" of="ingest/$ref" iflag=skip_bytes,count_bytes oflag=seek_bytes conv=notrunc bs=64k \\
          skip=$((part * third)) seek=$((part * third)) count=$((part == 2 ? size : third)) status=none
      done
      mv -f "ingest/$ref" "$blob"`,
  },
  {
    name: 'syncing',
    sizes: [4 * MIB, 12 * MIB],
    files: 2,
    ingest: `
      head -c 1000 "$src" > "ingest/$ref"
      setfattr -n user.cas.expected -v "sha256:$hex" "ingest/$ref"
      for (( at = 0; at < size; at += 1 << 20 )); do
        dd if="$src" of="ingest/$ref" iflag=skip_bytes oflag=seek_bytes conv=notrunc,fsync bs=1M count=1 \\
          skip=$at seek=$at status=none
        has $((at + (1 << 20) > size ? size : at + (1 << 20)))
      done
      mv -f "ingest/$ref" "$blob"`,
  },
];

/** The name of a writer whose ingests have holes until they are complete. */
const OUT_OF_ORDER = 'seeking';

/** The lines of a file, each with its end. */
export function linesOf(path: string): string[] {
  return fs.readFileSync(path, 'utf8').match(/.*\n/g) ?? [];
}

export function countLines(path: string): number {
  return linesOf(path).length;
}

/** A writer of one round. */
export interface Writer {
  readonly script: string;
  readonly variables: NodeJS.ProcessEnv;
}

/** Makes the files for a round of all writers, below `directory`. */
export async function prepareWriters(directory: string, random: Random): Promise<Writer[]> {
  fs.rmSync(`${directory}/sources`, { recursive: true, force: true });
  fs.mkdirSync(`${directory}/sources`);
  const writers: Writer[] = [];
  for (const style of STYLES) writers.push(await prepareWriter(style, directory, random));
  return writers;
}

async function prepareWriter(style: Style, directory: string, random: Random): Promise<Writer> {
  const sources = `${directory}/sources`;
  const paths = Array.from({ length: style.files }, (_, index) => {
    const path = `${sources}/${style.name}-${index}`;
    fs.writeFileSync(path, seededBytes(random.size(...style.sizes), random.between(1, 2 ** 31)));
    return path;
  });
  const digests = await digestsOfFiles('sha256', paths);
  digests.forEach((digest, index) => fs.renameSync(paths[index] ?? '', `${sources}/${hexOf(digest)}`));
  return {
    script: WRITE.replace('INGEST', () => style.ingest),
    variables: {
      sources,
      writer: style.name,
      hexes: digests.map(hexOf).join(' '),
      has_file: `${directory}/has-${style.name}`,
      direct: `${directory}/direct`,
      acked: `${directory}/acked`,
    },
  };
}

const WRITE = `
exec 2> /dev/null
acknowledge() { echo "sha256:$hex $size" >> "$acked"; }
has() { echo "$1 sha256:$hex $src $ref" > "$has_file"; }
turn=0
for hex in $hexes; do
  src=$sources/$hex ref=$writer-$hex blob=blobs/sha256/$hex
  size=$(stat -c %s "$src") third=$(( $(stat -c %s "$src") / 3 ))
  INGEST
  acknowledge
  : > "$has_file"
  turn=$((turn + 1))
done
`;

/** Reads what was acknowledged, over and over, and says in `$wrong` where other bytes came than were committed. */
export const READ = `
exec 2> /dev/null
while true; do
  for digest in $(cut -d' ' -f1 "$acked" | shuf -n 5); do
    blob=blobs/sha256/\${digest#*:}
    cat "$blob" > "$copy"
    [[ sha256:$(sha256sum < "$copy" | cut -d' ' -f1) == "$digest" ]] || echo "$digest" >> "$wrong"
  done
done
`;

/**
 * Completes and commits whatever is under `ingest/`, by appending or at an offset in turn. What has other bytes than
 * its source, as one that was written out of order or, with `$torn`, any, is refused and written again. Its output is
 * one line for each, with what it took.
 */
export const RESUME = `
acknowledge() { echo "sha256:$hex $size" >> "$acked"; }
complete() {
  if (( turn++ % 2 )); then tail -c +$((at + 1)) "$src" >> "ingest/$ref"
  else dd if="$src" of="ingest/$ref" iflag=skip_bytes oflag=seek_bytes conv=notrunc bs=64k skip=$at seek=$at status=none
  fi
}
proven() {
  local digest hashed
  digest=$(getfattr --only-values -n user.cas.digest "ingest/$ref")
  hashed=$(getfattr --only-values -n user.cas.offset "ingest/$ref")
  [[ $(getfattr --only-values -n user.cas.digest "ingest/$ref") != "$digest" ]] ||
    is "$digest" "sha256:$(head -c $hashed "$src" | sha256sum | cut -d' ' -f1)"
}
turn=0
for ref in $(ls ingest); do
  hex=\${ref##*-} src=$sources/\${ref##*-} blob=blobs/sha256/\${ref##*-}
  size=$(stat -c %s "$src")
  if [[ -e $blob ]]; then rm "ingest/$ref"; echo committed; continue; fi
  at=$(stat -c %s "ingest/$ref")
  if cmp -s -n $at "$src" "ingest/$ref"; then
    proven
    complete
    mv -f "ingest/$ref" "$blob"
    echo resumed
  else
    [[ $ref == ${OUT_OF_ORDER}-* || -n \${torn-} ]]
    { complete && mv -f "ingest/$ref" "$blob"; } 2> "$refusal" && { echo "$ref: committed with other bytes" >&2; false; }
    grep -qE 'Bad message|Input/output error' "$refusal"
    cat "$src" > "ingest/$ref"
    mv -f "ingest/$ref" "$blob"
    echo rewritten
  fi
  acknowledge
done
for hex in $(cat "$direct"); do
  src=$sources/$hex blob=blobs/sha256/$hex
  size=$(stat -c %s "$src")
  [[ -e $blob ]] || cp "$src" "$blob"
  acknowledge
done
: > "$direct"
[[ -z $(ls ingest) ]]
`;
