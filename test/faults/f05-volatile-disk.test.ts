import { execFile } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import { promisify } from 'node:util';
import test, { type ExecutionContext } from 'ava';
import { hexOf } from '../../store/digest.js';
import { Mount } from '../e2e/mount.js';
import { type Check, checkOf } from '../e2e/suite.js';
import { AS_ROOT } from '../e2e/variants.js';
import { digestOfFile } from '../helpers/digests.js';
import { isAlive, until } from '../src/process/site.js';
import { FULL, LIMIT } from './form.js';
import { Ledger } from './ledger.js';
import { type Cut, type DiskOptions, VolatileDisk } from './volatile-disk.js';

const execute = promisify(execFile);

/** The smallest xfs has 300 MiB. */
const MEBIBYTES = 320;
/** The drops come first, then the tears. */
const CUTS = FULL ? { drops: 30, tears: 20 } : { drops: 3, tears: 2 };
/** What a client does until it is acknowledged; the ledger then knows of it. */
type Step = (check: Check, ledger: Ledger) => Promise<void>;

const SIZES = [3, 4096, 70_001, 1_300_007, 9_000_000];
let stepsMade = 0;
const size = (): number => SIZES[stepsMade++ % SIZES.length] ?? 1;

const commits: Step = async ({ source, sh }, ledger) => {
  const made = await source(size());
  await sh('cp "$src" "ingest/$ref"; mv "ingest/$ref" "$blob"', { ...made, ref: `moved-${stepsMade}` });
  ledger.committed(made);
};

const commitsByClose: Step = async ({ source, sh }, ledger) => {
  const made = await source(size());
  await sh('cp "$src" "$blob"', { ...made });
  ledger.committed(made);
};

const commitsByLink: Step = async ({ source, sh }, ledger) => {
  const made = await source(size());
  await sh('cp "$src" "ingest/$ref"; ln "ingest/$ref" "$blob"', { ...made, ref: `linked-${stepsMade}` });
  ledger.committed(made);
};

const commitsOtherDigests: Step = async ({ source, sh }, ledger) => {
  for (const algorithm of ['sha512', 'blake3'] as const) {
    const { src } = await source(size());
    const hex = hexOf(await digestOfFile(src, algorithm));
    await sh('cp "$src" "blobs/$algorithm/$hex"', { src, hex, algorithm });
    ledger.committed({ hex }, algorithm);
  }
};

const commitsManyAtOnce: Step = async ({ source, sh }, ledger) => {
  const made = await Promise.all(Array.from({ length: 8 }, () => source(20_000)));
  const script = `
    for pair in $pairs; do cp "\${pair%%:*}" "blobs/sha256/\${pair##*:}" & jobs+=" $!"; done
    for job in $jobs; do wait "$job"; done`;
  await sh(script, { jobs: '', pairs: made.map(({ src, hex }) => `${src}:${hex}`).join(' ') });
  for (const one of made) ledger.committed(one);
};

const commitsWhatIsThere: Step = async ({ source, sh }, ledger) => {
  const made = await source(size());
  await sh(
    'cp "$src" "$blob"; rm "$blob"; cp "$src" ingest/a; cp "$src" ingest/b; mv ingest/a "$blob"; mv ingest/b "$blob"',
    {
      ...made,
    },
  );
  ledger.committed(made);
};

/** A client that never closes what it has synced. */
const syncs: Step = async ({ source, sh }, ledger) => {
  const made = await source(3_000_000);
  const ref = `synced-${++stepsMade}`;
  await sh('head -c 1234567 "$src" | dd of="ingest/$ref" bs=64k iflag=fullblock conv=fsync status=none', {
    ...made,
    ref,
  });
  ledger.synced(ref, made, 1_234_567);
};

/** What has rested has a directory of its own; more is written, and a reader syncs it. */
const syncsWhatHasRested: Step = async ({ mount, source, sh }, ledger) => {
  const made = await source(2_000_000);
  const ref = `rested/${++stepsMade}`;
  await sh('mkdir -p ingest/rested; head -c 100000 "$src" > "ingest/$ref"', { ...made, ref });
  await until(
    'the ingest has got a directory',
    () => fs.readdirSync(`${mount.site.store}/fresh`).length === 0,
  );
  await sh('head -c 1000000 "$src" | tail -c +100001 >> "ingest/$ref"; sync "ingest/$ref"', { ...made, ref });
  ledger.synced(ref, made, 1_000_000);
};

const syncsWhatWasMoved: Step = async ({ source, sh }, ledger) => {
  const made = await source(1_000_000);
  const ref = `${'long'.repeat(60)}-${++stepsMade}`;
  await sh('head -c 500001 "$src" > ingest/before; mv ingest/before "ingest/$ref"; sync -d "ingest/$ref"', {
    ...made,
    ref,
  });
  ledger.synced(ref, made, 500_001);
};

const syncsWhatWasWrittenOver: Step = async ({ source, sh }, ledger) => {
  const [made, other] = [await source(900_000), await source(900_000)];
  const ref = `over-${++stepsMade}`;
  const script = `
    cp "$other" "ingest/$ref"
    truncate -s 700000 "ingest/$ref"
    sync "ingest/$ref"
    head -c 800000 "$src" | dd of="ingest/$ref" bs=50000 iflag=fullblock conv=notrunc,fsync status=none`;
  await sh(script, { ...made, ref, other: other.src });
  ledger.synced(ref, made, 800_000);
};

const resumes: Step = (check, ledger) => ledger.resume(check);

const STEPS: readonly Step[] = [
  commits,
  syncs,
  syncsWhatHasRested,
  commitsByClose,
  syncsWhatWasMoved,
  resumes,
  commitsManyAtOnce,
  syncsWhatWasWrittenOver,
  commitsByLink,
  commitsOtherDigests,
  commitsWhatIsThere,
];

/** Mounts a store that is the file system of the disk. */
async function mountOn(
  t: ExecutionContext,
  disk: VolatileDisk,
  args: readonly string[] = [],
): Promise<Mount> {
  const [kernel] = AS_ROOT;
  if (kernel === undefined) throw new Error('no variant');
  const prepare = ({ site }: Mount): void => fs.symlinkSync(disk.path, site.store);
  const mount = await Mount.of(kernel, { args, prepare });
  t.teardown(() => mount.close());
  return mount;
}

/** Writes that nobody has acknowledged when the power goes: of ingests alone, which flush nothing, or of commits too. */
async function noise({ mount, source }: Check, commits: boolean): Promise<() => Promise<void>> {
  const made = await source(400_000);
  const script = `
    for round in {1..10000}; do
      dd if="$src" of="ingest/noise-$round" bs=16k status=none
      if [[ $commits == true ]]; then mv "ingest/noise-$round" "$blob"; rm "$blob"; else rm "ingest/noise-$round"; fi
    done 2> /dev/null || true`;
  const child = mount.start(script, { ...made, commits: `${commits}` });
  const ended = once(child, 'close');
  return async () => {
    child.kill('SIGKILL');
    await ended;
  };
}

interface PowerCut {
  readonly mount: Mount;
  readonly disk: VolatileDisk;
  readonly cut: Cut;
  /** Ends who else uses the mount. */
  readonly stop: () => Promise<void>;
}

/**
 * The power goes: of the disk first, then of all that used it. It comes back, `inspect` sees what the disk kept, and
 * cas-mount starts as always. How long that took, in milliseconds.
 */
async function cutAndRecover(
  { mount, disk, cut, stop }: PowerCut,
  inspect: () => Promise<void>,
): Promise<number> {
  const { daemon } = mount.site;
  disk.cut(cut);
  process.kill(daemon, 'SIGKILL');
  await until('the daemon is gone', () => !isAlive(daemon));
  await stop();
  // A dead mount that was passed through keeps files of the disk open.
  await execute('umount', ['-l', mount.mountpoint]);
  await disk.recover();
  await inspect();
  const started = performance.now();
  await mount.mount();
  return performance.now() - started;
}

const TYPES: readonly DiskOptions['type'][] = FULL ? ['ext4', 'xfs'] : ['ext4'];

for (const type of TYPES) {
  test.serial(
    `${type}: what was acknowledged survives power cuts of a disk with a volatile cache`,
    async (t) => {
      t.timeout(LIMIT);
      const disk = await VolatileDisk.of(t, { type, mebibytes: MEBIBYTES });
      const mount = await mountOn(t, disk);
      const ledger = new Ledger();
      const restarts: number[] = [];
      for (let index = 0; index < CUTS.drops + CUTS.tears; index++) {
        const check = checkOf(t, mount);
        const cut: Cut = index < CUTS.drops ? 'drop' : `tear ${index}`;
        const step = STEPS[index % STEPS.length] ?? commits;
        const when = `cut ${index} (${cut}) after ${step.name}`;
        const stop = await noise(check, index % 2 === 1);
        await step(check, ledger);
        // Half the cuts come with the acknowledgement, the others as soon as the cache holds something again.
        if (index % 2 === 1) await until('something is in the cache', () => disk.cache.now > 0);
        const restart = await cutAndRecover({ mount, disk, cut, stop }, () =>
          ledger.checkFiles(t, disk.path, when),
        );
        restarts.push(restart);
        await ledger.checkMount(check, when);
      }
      t.log(`${restarts.length} cuts; the slowest restart took ${Math.round(Math.max(...restarts))} ms`);
      t.true(disk.cache.lost > 0, 'no cut met anything in the cache');
      t.log(`${disk.cache.lost} bytes were in the cache`);
      for (let left = STEPS.length; left > 0; left--) await ledger.resume(checkOf(t, mount));
      await mount.unmount();
      await ledger.checkFiles(t, disk.path, 'in the end');
    },
  );
}

test.serial('with sync=batch a commit is durable once its blob is synced', async (t) => {
  t.timeout(LIMIT);
  const disk = await VolatileDisk.of(t, { type: 'ext4', mebibytes: 64 });
  const mount = await mountOn(t, disk, ['-o', 'sync=batch']);
  const { source, sh } = checkOf(t, mount);
  const ledger = new Ledger();
  const made = await source();
  await sh('cp "$src" "$blob"; sync "$blob"', { ...made });
  ledger.committed(made);
  await cutAndRecover({ mount, disk, cut: 'drop', stop: () => Promise.resolve() }, () =>
    ledger.checkFiles(t, disk.path, 'after the cut'),
  );
});

test.serial(
  'the volatile disk loses what it was not told to flush: without barriers a synced file is gone',
  async (t) => {
    t.timeout(LIMIT);
    for (const options of ['barrier', 'nobarrier']) {
      const disk = await VolatileDisk.of(t, { type: 'ext4', mebibytes: 64, options });
      await execute('bash', ['-c', 'echo synced > x; sync x', 'bash'], { cwd: disk.path });
      disk.cut('drop');
      await disk.recover();
      t.is(fs.existsSync(`${disk.path}/x`), options === 'barrier', options);
    }
  },
);
