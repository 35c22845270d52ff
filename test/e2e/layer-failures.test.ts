import { execFile } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import { promisify } from 'node:util';
import test from 'ava';
import { until } from '../src/process/site.js';
import { mountOnDisk } from './disk.js';
import { type Check, checkOf, eachAlone, type Rules, suite } from './suite.js';
import { AS_ROOT } from './variants.js';

const execute = promisify(execFile);
const MIB = 1 << 20;

/** `refused STACK NAME WHAT`: the ingest NAME is not taken, stays, says why, and the stack is as it was. */
const REFUSED = `
  refused() {
    local before after
    before=$(ls -l "stacks/$1")
    fails "$3" mv "ingest/$2" "stacks/$1/"
    after=$(ls -l "stacks/$1")
    is "$after" "$before"
    [[ -f ingest/$2 ]]
    [[ -n $(getfattr --only-values -n user.cas.error "ingest/$2") ]]
  }
  nothing_half() {
    is "$(ls -A "$store/layers/staging" | wc -l)" 0
    is "$(ls layers/sha256 | grep -vc '\\.tar$' || true)" "$1"
  }
  small() { mkdir -p "$scratch/d"; echo "$1" > "$scratch/d/file"; tar -C "$scratch/d" --mtime=@1 -cf "$scratch/$1.tar" file; }
`;

const rules: Rules = {
  'what is no tar is refused with EBADMSG; the ingest stays and says why': async ({ t, mount, sh }) => {
    const script = `${REFUSED}
      mkdir "stacks/$ref"
      small good
      cp "$scratch/good.tar" ingest/good
      mv ingest/good "stacks/$ref/"
      head -c 100000 /dev/urandom > ingest/rubbish
      head -c 3000 /dev/urandom | gzip > ingest/rubbish.gz
      head -c 3000 /dev/urandom | zstd -q > ingest/rubbish.zst
      printf x > ingest/short
      head -c 100000 /dev/urandom > "$scratch/d/large"
      tar -C "$scratch/d" -cf "$scratch/large.tar" large
      gzip < "$scratch/large.tar" > "$scratch/large.tar.gz"
      zstd -q "$scratch/large.tar"
      head -c 50000 "$scratch/large.tar.gz" > ingest/truncated.gz
      head -c 50000 "$scratch/large.tar.zst" > ingest/truncated.zst
      head -c 50000 "$scratch/large.tar" > ingest/truncated
      python3 -c '
import sys, tarfile, io
def write(name, entries):
    with tarfile.open("ingest/" + name, "w") as tar:
        for path, kind, target in entries:
            info = tarfile.TarInfo(path)
            info.type, info.linkname = kind, target
            tar.addfile(info)
write("escape", [("../../../etc/x", b"0", "")])
write("link-to-nothing", [("a", b"1", "b")])
write("whiteout-of-nothing", [("d/.wh.", b"0", "")])
write("long-name", [("n" * 256, b"0", "")])'
      for name in rubbish rubbish.gz rubbish.zst short truncated truncated.gz truncated.zst link-to-nothing whiteout-of-nothing; do
        refused "$ref" $name 'Bad message'
      done
      refused "$ref" escape ''
      refused "$ref" long-name ''
      nothing_half 1
      # What was refused can still be mended.
      cat "$scratch/large.tar" > ingest/truncated
      mv ingest/truncated "stacks/$ref/"
      cmp "$scratch/d/large" "stacks/$ref/rootfs/large"
      rm ingest/*
      rmdir "stacks/$ref"
      nothing_half 0`;
    await sh(script);
    const told = mount.site.log.filter(({ code }) => code === 'LAYER_INVALID');
    for (const name of ['rubbish', 'rubbish.gz', 'truncated.gz', 'truncated.zst', 'link-to-nothing']) {
      const line = told.find(({ subject }) => String(subject).startsWith(`${name}: `));
      t.like(line, { level: 'warn', msg: 'request refused', errno: 'EBADMSG' }, name);
    }
  },

  'an ingest whose declared size or digest is another is not taken': async ({ sh }) => {
    const script = `${REFUSED}
      mkdir "stacks/$ref"
      small one
      cp "$scratch/one.tar" ingest/one
      setfattr -n user.cas.total -v 7 ingest/one
      refused "$ref" one 'Bad message'
      setfattr -n user.cas.total -v "$(stat -c %s "$scratch/one.tar")" ingest/one
      setfattr -n user.cas.expected -v "sha256:$(printf x | sha256sum | head -c 64)" ingest/one
      refused "$ref" one 'Bad message'
      setfattr -n user.cas.expected -v "sha256:$(sha256sum < "$scratch/one.tar" | head -c 64)" ingest/one
      mv ingest/one "stacks/$ref/"
      is "$(ls "stacks/$ref")" $'1\\nrootfs'
      rmdir "stacks/$ref"`;
    await sh(script);
  },
};

const asRoot: Rules = {
  'at most 125 layers are on a stack': async ({ sh, t }) => {
    const script = `${REFUSED}
      mkdir "stacks/$ref"
      for layer in {1..125}; do
        small $layer
        cp "$scratch/$layer.tar" ingest/x
        mv ingest/x "stacks/$ref/"
      done
      is "$(ls "stacks/$ref" | wc -l)" 126
      is "$(cat "stacks/$ref/rootfs/file" "stacks/$ref/60/file")" $'125\\n60'
      cp "$scratch/1.tar" ingest/x
      refused "$ref" x 'Too many links'
      rm "stacks/$ref/125"
      mv ingest/x "stacks/$ref/"
      is "$(cat "stacks/$ref/rootfs/file")" 1
      rmdir "stacks/$ref"
      nothing_half 0`;
    const started = performance.now();
    await sh(script);
    t.log(`${Math.round(performance.now() - started)} ms`);
  },
};

/** A stack `s` with one layer, and an ingest `large`, of a gzip that takes a while. */
async function prepareLarge({ sh }: Check): Promise<void> {
  const script = `${REFUSED}
    mkdir stacks/s
    small below
    cp "$scratch/below.tar" ingest/below
    mv ingest/below stacks/s/
    truncate -s 200M "$scratch/d/zeros"
    seq 100000 > "$scratch/d/numbers"
    tar -C "$scratch/d" -c zeros numbers | gzip -1 > ingest/large
    rm "$scratch/d/zeros"`;
  await sh(script);
}

/** Waits until a layer is being taken apart. */
async function untilStaged({ mount }: Check): Promise<void> {
  const staging = `${mount.site.store}/layers/staging`;
  await until('a layer is staged', () => fs.existsSync(staging) && fs.readdirSync(staging).length > 0);
}

const alone: Rules = {
  'an mv that is killed leaves the stack as it was, and the ingest': async (check) => {
    const { t, mount, sh } = check;
    await prepareLarge(check);
    const mv = mount.start('exec mv ingest/large stacks/s/');
    const ended = once(mv, 'close');
    await untilStaged(check);
    mv.kill('SIGKILL');
    await ended;
    const script = `${REFUSED}
      for try in {1..1200}; do [[ -n $(ls -A "$store/layers/staging") ]] || break; sleep 0.05; done
      is "$(ls stacks/s)" $'1\\nrootfs'
      nothing_half 1
      [[ -f ingest/large ]]
      mv ingest/large stacks/s/
      is "$(ls stacks/s)" $'1\\n2\\nrootfs'
      is "$(tail -n 1 stacks/s/rootfs/numbers)" 100000
      is "$(stat -c %s stacks/s/rootfs/zeros)" $((200 << 20))`;
    await sh(script);
    t.is((await mount.status()).defects, 0);
  },

  'kill -9 of the daemon while a layer is taken apart leaves the stack as it was, and the ingest': async (
    check,
  ) => {
    const { mount, sh } = check;
    await prepareLarge(check);
    const mv = mount.start('mv ingest/large stacks/s/ 2>&1; true');
    const ended = once(mv, 'close');
    await untilStaged(check);
    await mount.kill();
    await ended;
    await mount.mount();
    const script = `${REFUSED}
      is "$(ls stacks/s)" $'1\\nrootfs'
      is "$(cat stacks/s/rootfs/file)" below
      nothing_half 1
      (( $(du -sm "$store/payloads" | cut -f1) < 10 ))
      mv ingest/large stacks/s/
      is "$(ls stacks/s)" $'1\\n2\\nrootfs'
      is "$(tail -n 1 stacks/s/rootfs/numbers)" 100000
      rmdir stacks/s
      nothing_half 0`;
    await sh(script);
  },
};

suite(AS_ROOT, rules);
// How deep a stack may be is none of the transport's business, and takes some seconds.
suite(AS_ROOT.slice(0, 1), asRoot);
eachAlone(AS_ROOT, alone);

for (const variant of AS_ROOT) {
  test.serial(
    `${variant.name}: a disk that is too small for a layer is told to mv; with room it is taken`,
    async (t) => {
      t.timeout(240_000);
      const mount = await mountOnDisk(t, variant, 60);
      const { sh } = checkOf(t, mount);
      const { store } = mount.site;
      const script = `${REFUSED}
      mkdir stacks/s
      small below
      cp "$scratch/below.tar" ingest/below
      mv ingest/below stacks/s/
      head -c 12M /dev/zero | openssl enc -aes-128-ctr -K 0 -iv 0 2> /dev/null > "$scratch/d/noise"
      tar -C "$scratch/d" -cf ingest/large noise`;
      await sh(script);
      const { bavail, bsize } = fs.statfsSync(store);
      await execute('fallocate', ['-l', `${bavail * bsize - 6 * MIB}`, `${store}/ballast`]);
      await sh(`${REFUSED}
      refused s large 'No space left on device'
      nothing_half 1
      is "$(cat stacks/s/rootfs/file)" below`);
      fs.rmSync(`${store}/ballast`);
      await sh(`${REFUSED}
      mv ingest/large stacks/s/
      cmp stacks/s/rootfs/noise "$scratch/d/noise"
      nothing_half 2
      is "$(ls ingest)" ''`);
      t.is((await mount.status()).defects, 0);
    },
  );
}
