import { execFile } from 'node:child_process';
import fs from 'node:fs';
import { promisify } from 'node:util';
import test from 'ava';
import { hexOf } from '../../store/digest.js';
import type { Variant } from '../e2e/variants.js';
import { seededBytes } from '../helpers/bytes.js';
import { digestsOfFiles } from '../helpers/digests.js';
import { Faulty } from './faulty.js';
import { FULL, LIMIT, VARIANTS } from './form.js';
import { acknowledgedIn } from './verify.js';

/*
 * F6: the disk is full while data is written, while ingests are committed, moved and declared, directories made and
 * labels set. Whoever meets it is told, nothing that was acknowledged is lost, and all goes on once there is room, after
 * a start on the full disk.
 */

const execute = promisify(execFile);

const MEBIBYTES = 64;
/** Bytes of an ingest that does not fit. */
const LARGE = 12 << 20;
/** Small ingests, more than one block of a directory can name. */
const SMALL = 100;
/** How many blocks are left: what can still be done depends on it. */
const LEFT = FULL ? [0, 1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 20, 24, 32] : [0];

/** `attempt COMMAND…`: whether it was done (`OK`) or there was no room (`FULL`); any other failure ends the script. */
const ATTEMPT = `
attempt() {
  local said
  if said=$("$@" 2>&1); then outcome=OK
  else
    [[ $said == *'No space left on device'* ]] || { echo "$*: $said" >&2; return 1; }
    outcome=FULL
  fi
}
acknowledge() { echo "sha256:$1 $(stat -c %s "$sources/$1")" >> "$acked"; }
label() { getfattr --only-values -n user.cas.label.x "$kept"; }
`;

const PREPARE = `${ATTEMPT}
cp "$src" "$kept"
acknowledge "$hex"
setfattr -n user.cas.label.x -v short "$kept"
for small in $smalls; do cat "$sources/$small" > "ingest/$small"; done`;

const USE = `${ATTEMPT}
report() { echo "$1 $outcome"; }
read -r first second third fourth others <<< "$smalls"

attempt dd if="$large" of=ingest/large bs=64k status=none; report data
size=$(stat -c %s ingest/large)
cmp -n $size "$large" ingest/large

attempt setfattr -n user.cas.label.x -v "$long" "$kept"; report label
is "$(label)" "$([[ $outcome == OK ]] && echo "$long" || echo short)"

attempt setfattr -n user.cas.total -v "$(stat -c %s "$sources/$first")" "ingest/$first"; report declare
attempt mkdir ingest/d; report mkdir
is "$([[ -d ingest/d ]] && echo OK || echo FULL)" $outcome
attempt mv "ingest/$second" ingest/moved; report move
cmp "$sources/$second" "$([[ $outcome == OK ]] && echo ingest/moved || echo "ingest/$second")"
attempt ln "ingest/$third" "blobs/sha256/$third"; report link
if [[ $outcome == OK ]]; then acknowledge "$third"; else [[ ! -e blobs/sha256/$third ]]; fi
cmp "$sources/$third" "ingest/$third"
attempt cp "$sources/$fourth" "blobs/sha256/$fourth"; report direct
if [[ $outcome == OK ]]; then acknowledge "$fourth"; else [[ ! -e blobs/sha256/$fourth ]]; fi
for small in $others; do
  attempt mv "ingest/$small" "blobs/sha256/$small"; report commit
  if [[ $outcome == OK ]]; then acknowledge "$small"; continue; fi
  [[ ! -e blobs/sha256/$small ]]
  cmp "$sources/$small" "ingest/$small"
done`;

const GO_ON = `${ATTEMPT}
read -r first second third fourth others <<< "$smalls"
size=$(stat -c %s ingest/large)
cmp -n $size "$large" ingest/large
tail -c +$((size + 1)) "$large" >> ingest/large
mv ingest/large "blobs/sha256/$largeHex"
cmp "$large" "blobs/sha256/$largeHex"
setfattr -n user.cas.label.x -v "$long" "$kept"
is "$(label)" "$long"
[[ -d ingest/d ]] || mkdir ingest/d
rmdir ingest/d
[[ ! -e ingest/moved ]] || mv ingest/moved "ingest/$second"
setfattr -n user.cas.total -v "$(stat -c %s "$sources/$first")" "ingest/$first"
for small in $smalls; do
  if [[ -e blobs/sha256/$small ]]; then rm -f "ingest/$small"
  elif [[ -e ingest/$small ]]; then mv "ingest/$small" "blobs/sha256/$small"
  else cp "$sources/$small" "blobs/sha256/$small"
  fi
  cmp "$sources/$small" "blobs/sha256/$small"
  acknowledge "$small"
done
[[ -z $(ls ingest) ]]`;

/** Fills the disk but for some blocks. */
async function fill(disk: string, ballast: string, left: number): Promise<void> {
  await execute('sync', ['-f', disk]);
  const { bavail, bsize } = fs.statfsSync(disk);
  await execute('fallocate', ['-l', `${(bavail - 64) * bsize}`, ballast]);
  // What the file system needs for itself is not known beforehand, so the last blocks are taken one by one.
  await execute('dd', ['if=/dev/zero', `of=${ballast}`, 'bs=4k', 'oflag=append', 'conv=notrunc,fsync']).catch(
    () => undefined,
  );
  if (left === 0) return;
  const { size } = fs.statSync(ballast);
  fs.truncateSync(ballast, size - left * bsize);
  await execute('sync', ['-f', disk]);
}

/** The variables of the scripts, with files of new bytes. */
async function prepare(faulty: Faulty, seed: number): Promise<NodeJS.ProcessEnv> {
  const sources = `${faulty.mount.scratch}/sources`;
  fs.rmSync(sources, { recursive: true, force: true });
  fs.mkdirSync(sources);
  const paths = Array.from({ length: SMALL + 1 }, (_, index) => {
    const path = `${sources}/${index}`;
    fs.writeFileSync(path, seededBytes(index === SMALL ? LARGE : 3000 + index, seed * 1000 + index));
    return path;
  });
  const hexes = (await digestsOfFiles('sha256', paths)).map(hexOf);
  hexes.forEach((hex, index) => fs.renameSync(paths[index] ?? '', `${sources}/${hex}`));
  const [hex = '', ...others] = hexes;
  const largeHex = others.pop() ?? '';
  return {
    sources,
    src: `${sources}/${hex}`,
    hex,
    kept: `blobs/sha256/${hex}`,
    large: `${sources}/${largeHex}`,
    largeHex,
    smalls: others.join(' '),
    long: 'x'.repeat(3000),
    acked: acknowledgedIn(faulty.mount).acked,
  };
}

function testFull(variant: Variant): void {
  test.serial(`${variant.name}: a full disk is told to whoever meets it, and costs nothing`, async (t) => {
    t.timeout(LIMIT);
    const faulty = await Faulty.of(t, variant, { mebibytes: MEBIBYTES });
    const { mount, disk } = faulty;
    const ballast = `${disk.path}/lost+found/ballast`;
    const met = new Set<string>();
    for (const left of LEFT) {
      const variables = await prepare(faulty, left);
      const pid = mount.site.daemon;
      await faulty.sh(PREPARE, variables);
      await fill(disk.path, ballast, left);
      const output = await faulty.sh(USE, variables);
      for (const line of output.split('\n')) if (line.endsWith(' FULL')) met.add(line);
      t.is(mount.site.daemon, pid);
      await faulty.stop(pid);
      await faulty.restart();
      await faulty.verify(`${left} blocks left, after a restart on the full disk`, true);
      fs.rmSync(ballast);
      await faulty.sh(GO_ON, variables);
      await faulty.stop(mount.site.daemon);
      await faulty.restart();
      await faulty.verify(`${left} blocks left, at the end`);
      await faulty.sh(`${ATTEMPT} is "$(label)" "$long"`, variables);
      await faulty.sh('(cd blobs/sha256 && ls | xargs rm --)');
      fs.writeFileSync(acknowledgedIn(mount).acked, '');
    }
    const expected = ['data', 'label', 'declare', 'mkdir', 'move', 'link', 'direct', 'commit'];
    t.deepEqual([...met].sort(), expected.map((operation) => `${operation} FULL`).sort());
    faulty.sound();
  });
}

for (const variant of VARIANTS) testFull(variant);
