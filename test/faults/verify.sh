#!/usr/bin/env bash
# Checks a store's directory without any code of the project: only bash, coreutils, findutils and b3sum.
#
#   verify.sh STORE [acked FILE] [ingests FILE] [fresh yes]
#
# acked    lines "<algorithm>:<hex> <size>": commits that were acknowledged
# ingests  lines "<bytes> <algorithm>:<hex> <source> <ref>": bytes of <source> that were acknowledged to the writer
#          of the ingest <ref>, which may have become the blob since
# fresh    the disk has been full, so that ingests may be as they were in their first second
#
# No ingest may be open or have been in the last second. Each violation is one line that begins with its invariant:
#   I1  every file under blobs/<algorithm>/ hashes to its name and is 0444
#   I2  every acknowledged commit is there with its size
#   I4  every ingest has at least the bytes that were acknowledged, and all it has are its source's
#   I5  there is nothing that docs/ARCHITECTURE.md, "On disk", does not name
# The last line says what was checked. Exit code 1 if there is a violation, 2 if the arguments are wrong.
set -uo pipefail
export LC_ALL=C

store=${1:?}
shift
acked=/dev/null
ingests=/dev/null
fresh=no
while (($# > 1)); do
  case $1 in
    acked) acked=$(realpath -- "$2") ;;
    ingests) ingests=$(realpath -- "$2") ;;
    fresh) fresh=$2 ;;
    *) exit 2 ;;
  esac
  shift 2
done
[[ -r $acked && -r $ingests ]] && cd -- "$store" || exit 2

violations=0
violation() {
  violations=$((violations + 1))
  ((violations > 30)) || printf '%s\n' "$*"
}
# each TEXT FORMAT: a violation for each line of standard input.
each() {
  local line
  while IFS= read -r line; do violation "$1 $line"; done
}

# hash_all DIRECTORY TOOL: a line for each file that does not hash to its name.
hash_all() {
  local list
  list=$(find "$1" -mindepth 1 -type f -printf '%P  %P\n')
  [[ -z $list ]] || (cd -- "$1" && "$2" -c 2>&1 <<<"$list" | grep -v ': OK$')
}

declare -A tools=([sha256]=sha256sum [sha512]=sha512sum [blake3]=b3sum)
declare -A digits=([sha256]=64 [sha512]=128 [blake3]=64)
declare -A sizes=()
for algorithm in sha256 sha512 blake3; do
  directory=blobs/$algorithm
  [[ -d $directory ]] || continue
  each "I5 no blob: $directory/" < <(find "$directory" -mindepth 1 -printf '%P\n' | grep -vE "^[0-9a-f]{${digits[$algorithm]}}$")
  each "I1 no plain file of mode 0444: $directory/" < <(find "$directory" -mindepth 1 \( ! -type f -o ! -perm 0444 \) -printf '%P\n')
  while read -r name size; do sizes[$algorithm:$name]=$size; done < <(find "$directory" -mindepth 1 -type f -printf '%P %s\n')
  command -v "${tools[$algorithm]}" >/dev/null || continue
  each "I1 $directory/" < <(hash_all "$directory" "${tools[$algorithm]}")
done
each 'I5 no algorithm: ' < <(find blobs -mindepth 1 -maxdepth 1 ! -name sha256 ! -name sha512 ! -name blake3)

commits=0
while read -r digest size; do
  commits=$((commits + 1))
  found=${sizes[$digest]-}
  [[ $found == "$size" ]] || violation "I2 $digest: acknowledged with $size bytes, found ${found:-none}"
done <"$acked"

# data_of REF: the data file of an ingest, or nothing.
data_of() {
  local key name
  key=$(printf %s "$1" | sha256sum)
  name=$(printf %s "$1" | base64 -w0 | tr '+/' '-_' | tr -d =)
  for name in "ingest/${key%% *}/data" "fresh/$name"; do
    if [[ -f $name ]]; then printf %s "$name" && return; fi
  done
}
resumable=0
while read -r bytes digest source ref; do
  resumable=$((resumable + 1))
  data=$(data_of "$ref")
  if [[ -z $data ]]; then
    [[ -n ${sizes[$digest]-} ]] || violation "I4 $ref: $bytes bytes were acknowledged, and it is gone"
    continue
  fi
  size=$(stat -c %s "$data")
  ((size >= bytes)) || violation "I4 $ref: $bytes bytes were acknowledged, found $size"
  cmp -s -n "$size" "$data" "$source" || violation "I4 $ref: its first $size bytes are not those of its source"
done <"$ingests"

each 'I5 in the root: ' < <(find . -mindepth 1 -maxdepth 1 ! -name lock ! -name format ! -name blobs ! -name fresh \
  ! -name ingest ! -name directories ! -name meta ! -name layers ! -name payloads ! -name stacks \
  ! -name cas.sock ! -name cas-mount.log ! -name lost+found)
if [[ -d fresh ]]; then
  each 'I5 ' < <(find fresh -mindepth 1 | if [[ $fresh == yes ]]; then grep -vE '^fresh/[A-Za-z0-9_-]+$'; else cat; fi)
fi
if [[ -d layers/staging ]]; then each 'I5 ' < <(find layers/staging -mindepth 1); fi
if [[ -d meta ]]; then each 'I5 ' < <(find meta -mindepth 1 ! -path 'meta/rows*' ! -path meta/witness); fi
if [[ -d ingest ]]; then
  for directory in ingest/*; do
    [[ -e $directory ]] || continue
    key=${directory#ingest/}
    [[ -f $directory/data && -f $directory/ref && $(sha256sum <"$directory/ref") == "$key  -" ]] ||
      violation "I5 half-made: $directory: $(ls "$directory" | tr '\n' ' ')"
    each 'I5 ' < <(find "$directory" -mindepth 1 | grep -vE "^$directory/(ref|data|startedat|updatedat|total|expected|error|failure|boot|checkpoints|hashstates(/(sha256|sha512|blake3)(/[0-9]+)?)?)$")
  done
fi
if [[ -d directories ]]; then
  for file in directories/*; do
    [[ -e $file ]] || continue
    [[ $(sha256sum <"$file") == "${file#directories/}  -" ]] || violation "I5 half-made: $file"
  done
fi

printf 'checked %d blobs, %d acknowledged commits, %d ingests: %d violations\n' \
  "${#sizes[@]}" "$commits" "$resumable" "$violations"
((violations == 0))
