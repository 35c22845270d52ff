/** What is done to a store while a fault comes, in scripts that run in its mount. */
export interface Scenario extends Scripts {
  /** Done before, while there are no faults. */
  readonly prepare: string;
}

interface Scripts {
  readonly title: string;
  readonly prepare?: string;
  /** The daemon is killed after that, and the fault comes while the next one starts. */
  readonly atStart?: true;
  /** Its end asks for bytes that were never synced, which a power cut may take. */
  readonly needsUnsynced?: true;
  /** The calls of the metadata database count. */
  readonly index?: true;
  /** Its steps, each of which tells what is acknowledged. It ends at the first that fails. */
  readonly script: string;
  /** Brings it to its end, wherever the fault has left it, and fails if that is not possible. */
  readonly finish: string;
}

/** Bytes of the file that is ingested, in three pieces. */
export const SIZE = 30_000;

/**
 * `piece N` writes a third of the file at its place, in one write; `resume REF` writes what is missing after what is
 * there; `commit REF` ends it. `has` and `acknowledge` tell what is acknowledged to the verifier.
 */
const STEPS = `
third=$((size / 3))
has() { echo "$1 sha256:$hex $src $ref" > "$ingests"; }
acknowledge() { echo "sha256:$hex $size" >> "$acked"; : > "$ingests"; }
piece() {
  dd if="$src" of="ingest/$ref" bs=$third skip=$1 seek=$1 count=1 conv=notrunc status=none
  has $((third * ($1 + 1)))
}
resume() {
  local at=0
  if [[ -e ingest/$1 ]]; then
    at=$(stat -c %s "ingest/$1")
    cmp -n $at "$src" "ingest/$1"
  fi
  tail -c +$((at + 1)) "$src" >> "ingest/$1"
}
commit() {
  mv -f "ingest/$1" "$blob"
  acknowledge
}
`;

/** Whatever became of the ingest, it or the blob is there: the rest follows from that. */
const FINISH = `
if [[ ! -e $blob ]]; then resume "$ref"; commit "$ref"; fi
[[ ! -e ingest/$ref ]]
cmp "$src" "$blob"
acknowledge
`;

const scenarios: readonly Scripts[] = [
  {
    title: 'an ingest that is written in three sessions, declared and committed',
    script: 'piece 0; piece 1; setfattr -n user.cas.total -v $size "ingest/$ref"; piece 2; commit "$ref"',
    finish: FINISH,
  },
  {
    title: 'an ingest that has had its directory before',
    prepare: 'piece 0; setfattr -n user.cas.expected -v sha256:$hex "ingest/$ref"',
    script: 'piece 1; piece 2; commit "$ref"',
    finish: FINISH,
  },
  {
    title: 'a file made under its digest',
    script: 'cp "$src" "$blob"; acknowledge',
    finish: '[[ -e $blob ]] || cp "$src" "$blob"; cmp "$src" "$blob"; acknowledge',
  },
  {
    title: 'a commit by link(2)',
    script: 'piece 0; resume "$ref"; ln "ingest/$ref" "$blob"; acknowledge; rm "ingest/$ref"',
    finish: `
      if [[ ! -e $blob ]]; then resume "$ref"; ln "ingest/$ref" "$blob"; fi
      rm -f "ingest/$ref"
      cmp "$src" "$blob"
      acknowledge`,
  },
  {
    title: 'a commit of a blob that is there already',
    prepare: 'cp "$src" "$blob"; acknowledge',
    script: 'piece 0; resume "$ref"; commit "$ref"',
    finish: 'cmp "$src" "$blob"; resume "$ref"; commit "$ref"; [[ ! -e ingest/$ref ]]; cmp "$src" "$blob"',
  },
  {
    title: 'an ingest that is given another name',
    needsUnsynced: true,
    script: 'piece 0; piece 1; : > "$ingests"; mv "ingest/$ref" "ingest/$ref-2"',
    finish: `
      for name in "$ref" "$ref-2"; do
        [[ -e ingest/$name ]] || continue
        (( $(stat -c %s "ingest/$name") <= 2 * third ))
        resume "$name"
        commit "$name"
      done
      [[ -e $blob ]] || { resume "$ref"; commit "$ref"; }
      cmp "$src" "$blob"
      acknowledge`,
  },
  {
    title: 'an ingest that is moved over another',
    needsUnsynced: true,
    prepare: 'head -c 5000 /dev/zero > "ingest/$ref-2"',
    script: `
      piece 0; piece 1; piece 2; : > "$ingests"; touch "$src.moving"
      mv -f "ingest/$ref" "ingest/$ref-2"`,
    finish: `
      if [[ -e $src.moving ]]; then cmp "$src" "ingest/$ref" || cmp "$src" "ingest/$ref-2"; fi
      if [[ -e ingest/$ref ]]; then resume "$ref"; mv -f "ingest/$ref" "ingest/$ref-2"; fi
      cmp "$src" "ingest/$ref-2" || { cp "$src" "ingest/$ref"; mv -f "ingest/$ref" "ingest/$ref-2"; }
      commit "$ref-2"
      [[ ! -e ingest/$ref && ! -e ingest/$ref-2 ]]
      cmp "$src" "$blob"`,
  },
  {
    title: 'an ingest that is removed',
    prepare: 'piece 0; setfattr -n user.cas.total -v $size "ingest/$ref"; : > "$ingests"',
    script: 'rm "ingest/$ref"; piece 0; : > "$ingests"; rm "ingest/$ref"',
    finish: 'rm -f "ingest/$ref"; cp "$src" "$blob"; cmp "$src" "$blob"; acknowledge',
  },
  {
    title: 'a directory with an ingest',
    needsUnsynced: true,
    script: `
      mkdir "ingest/$ref"
      cp "$src" "ingest/$ref/x"
      mv "ingest/$ref" "ingest/$ref-2"
      commit "$ref-2/x"
      rmdir "ingest/$ref-2"`,
    finish: `
      for name in "$ref/x" "$ref-2/x"; do
        [[ ! -e ingest/$name ]] || { resume "$name"; commit "$name"; }
      done
      [[ -e $blob ]] || cp "$src" "$blob"
      rm -rf "ingest/$ref" "ingest/$ref-2"
      cmp "$src" "$blob"
      acknowledge`,
  },
  {
    title: 'a label that is set and removed',
    index: true,
    prepare: 'cp "$src" "$blob"; acknowledge; setfattr -n user.cas.label.old -v 1 "$blob"',
    script: `
      setfattr -n user.cas.label.new -v 2 "$blob"
      touch "$src.labelled"
      setfattr -x user.cas.label.old "$blob"
      touch "$src.unlabelled"`,
    finish: `
      label() { getfattr --only-values -n "user.cas.label.$1" "$blob" 2> /dev/null || echo none; }
      found() { "$node" "$cas" --root "$store" ls --label "$1" | grep -c "$hex" || true; }
      new=$(label new) old=$(label old)
      [[ ! -e $src.labelled ]] || is "$new" 2
      [[ ! -e $src.unlabelled ]] || is "$old" none
      is "$(found new=2) $(found old=1)" "$([[ $new == none ]]; echo $?) $([[ $old == none ]]; echo $?)"
      setfattr -n user.cas.label.new -v 2 "$blob"
      is "$(found new=2)" 1
      cmp "$src" "$blob"`,
  },
  {
    title: 'an ingest that is left when the mount ends',
    script: 'piece 0; piece 1',
    finish: FINISH,
  },
  {
    title: 'what an earlier kill has left, at the next start',
    needsUnsynced: true,
    prepare: `
      long=$(printf %0250d 0)
      mkdir -p "ingest/$ref-d"
      head -c 1000 "$src" > "ingest/$long"
      head -c 1000 "$src" > "ingest/$ref-d/x"
      setfattr -n user.cas.total -v $size "ingest/$ref-d/x"
      piece 0; piece 1`,
    atStart: true,
    script: 'ls -lR ingest > /dev/null',
    finish: `
      long=$(printf %0250d 0)
      is "$(stat -c %s "ingest/$long") $(stat -c %s "ingest/$ref-d/x")" '1000 1000'
      rm -r "ingest/$long" "ingest/$ref-d"
      ${FINISH}`,
  },
];

/** All scenarios, whose scripts know the steps. */
export const SCENARIOS: readonly Scenario[] = scenarios.map((scenario) => ({
  ...scenario,
  prepare: STEPS + (scenario.prepare ?? ''),
  script: STEPS + scenario.script,
  finish: STEPS + scenario.finish,
}));
