import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import type { StatusJson } from '../../store/ingest/status-json.js';
import { run, until } from '../src/process/site.js';
import { type Check, eachAlone, type Rules, suite } from './suite.js';
import { AS_ROOT, EACH } from './variants.js';

/** How long, in milliseconds, what is waited for may take. */
const PATIENCE = 60_000;

/** Asks until the answer is as it should be. */
async function eventually<T>(ask: () => Promise<T>, right: (answer: T) => boolean): Promise<T> {
  const deadline = performance.now() + PATIENCE;
  for (;;) {
    const answer = await ask();
    if (right(answer)) return answer;
    if (performance.now() > deadline) throw new Error(`in vain: ${JSON.stringify(answer)}`);
    await sleep(20);
  }
}

/** What the three places tell of one ingest: its status file, its attributes, and cas. */
interface Told {
  readonly file: StatusJson;
  readonly attributes: Readonly<Record<string, string>>;
  readonly listed: StatusJson | undefined;
}

async function told({ mount, sh }: Check, ref: string): Promise<Told> {
  const file = JSON.parse(await sh('cat ".cas/status/$ref.json"', { ref })) as StatusJson;
  const dump = await sh('getfattr -d -m "^user.cas" "ingest/$ref"', { ref });
  const attributes = Object.fromEntries(
    [...dump.matchAll(/^user\.cas\.(\w+)="(.*)"$/gm)].map(([, name = '', value = '']) => [name, value]),
  );
  const { stdout } = await mount.site.cas(['--root', mount.site.store, '--json', 'ingests']);
  const lines = stdout.trimEnd().split('\n');
  const listed = lines.map((line) => JSON.parse(line) as StatusJson).find((line) => line.ref === ref);
  return { file, attributes, listed };
}

const rules: Rules = {
  'a part of a file is told of in three places as stat and sha256sum tell of it': async (check) => {
    const { t, mount, source, sh } = check;
    const ref = 'job/part';
    const { src } = await source(400_000);
    const script = `
      mkdir -p ingest/job
      : > "ingest/$ref"
      setfattr -n user.cas.total -v 400000 "ingest/$ref"
      exec 3>> "ingest/$ref"
      head -c 100001 "$src" >&3
      echo $$
      read -r _`;
    const writer = mount.start(script, { ref, src });
    t.teardown(() => writer.kill());
    const [line] = (await once(writer.stdout ?? writer, 'data')) as [Buffer];
    const pid = Number(line.toString());

    const size = Number(await sh('stat -c %s "ingest/$ref"', { ref }));
    const digest = `sha256:${(await sh('sha256sum < "ingest/$ref"', { ref })).slice(0, 64)}`;
    t.is(size, 100_001);
    const { file, attributes, listed } = await eventually(
      () => told(check, ref),
      ({ file, listed, attributes: { rate } }) =>
        file.digest !== null && file.rate !== null && listed?.digest === file.digest && rate !== undefined,
    );
    const same = { ref, size, offset: size, total: 400_000, percent: 25, algorithm: 'sha256', digest };
    t.like(file, { ...same, expected: null, error: null });
    t.like(listed, { ...same, expected: null, error: null });
    t.deepEqual(Object.keys(listed ?? {}), Object.keys(file));
    t.like(attributes, { ref, offset: '100001', total: '400000', percent: '25', digest });
    const command = (await run('cat', [`/proc/${pid}/comm`])).stdout.trimEnd();
    t.like(file.holder, { pid, command });
    t.like(listed?.holder, { pid, command, since: file.holder?.since });
    t.is(attributes['holder'], `${command} (pid ${pid})`);
    for (const { rate = null, eta = null } of [file, listed ?? file]) {
      if (rate === null || rate === 0) t.is(eta, null);
      else t.true(Math.abs((eta ?? 0) - (400_000 - size) / rate) <= 2, `${rate} B/s, ${eta} s`);
    }
    t.regex(attributes['rate'] ?? '', /^\d+$/);

    writer.stdin?.end('\n');
    await once(writer, 'close');
    const after = await eventually(
      () => told(check, ref),
      ({ file }) => file.holder === null,
    );
    t.like(after.file, { ...same, rate: null, eta: null, holder: null });
    t.like(after.listed, { ...same, rate: null, eta: null, holder: null });
    t.deepEqual(
      ['rate', 'eta', 'holder'].filter((name) => name in after.attributes),
      [],
    );
  },

  'who writes is the process, whichever of its threads has opened the file': async (check) => {
    const { t, mount } = check;
    const program = `
      fs.promises.open('ingest/thread', 'w').then(() => console.log(process.pid));
      process.stdin.resume()`;
    const writer = mount.start(`exec "$node" -e "$program"`, { program });
    t.teardown(() => writer.kill());
    const [line] = (await once(writer.stdout ?? writer, 'data')) as [Buffer];
    const pid = Number(line.toString());
    const command = (await run('cat', [`/proc/${pid}/comm`])).stdout.trimEnd();
    t.like((await told(check, 'thread')).file.holder, { pid, command });
    writer.stdin?.end();
    await once(writer, 'close');
  },

  'a refused commit is told of, until the next writer': async (check) => {
    const { t, sh, source } = check;
    const { src, blob } = await source();
    await sh('echo rubbish > ingest/refused; fails "Bad message" mv ingest/refused "$blob"', { src, blob });
    const { file, attributes, listed } = await told(check, 'refused');
    t.regex(file.error?.message ?? '', /^refused: the bytes are not what the name says/);
    t.is(file.error?.code, 'DIGEST_MISMATCH');
    t.deepEqual(listed?.error, file.error);
    t.is(attributes['error'], file.error?.message);
    await sh('cp "$src" ingest/refused', { src });
    t.is((await told(check, 'refused')).file.error, null);
    await sh('mv ingest/refused "$blob"; [[ ! -e .cas/status/refused.json ]]', { blob });
  },

  'ingests in any place have a status, and no two share one': async ({ t, sh }) => {
    const script = `
      mkdir -p "ingest/$ref/a.json"
      echo 1 > "ingest/$ref/a"
      echo 2 > "ingest/$ref/a.json/b"
      echo 3 > "blobs/sha256/.$ref"
      echo 4 > "$ref.part"
      (cd .cas/status && find "$ref" | sort)
      (cd .cas/status-root && find . -name "*$ref*" | sort)
      for file in ".cas/status/$ref/a.json" ".cas/status/$ref/a.json.d/b.json" ".cas/status-root/blobs/sha256/.$ref.json" ".cas/status-root/$ref.part.json"; do
        "$node" -p 'JSON.parse(fs.readFileSync(0)).ref' < "$file"
      done
      rm -r "ingest/$ref" "blobs/sha256/.$ref" "$ref.part"`;
    const lines = (await sh(script, { ref: 'place' })).trimEnd().split('\n');
    t.deepEqual(lines, [
      ...['place', 'place/a.json', 'place/a.json.d', 'place/a.json.d/b.json'],
      ...['./blobs/sha256/.place.json', './place.part.json'],
      ...['place/a', 'place/a.json/b', '/blobs/sha256/.place', '/place.part'],
    ]);
  },

  'cat, cp, tar and ls find nothing wrong with files whose text is made when they are opened': async ({
    t,
    mount,
    sh,
  }) => {
    const writer = mount.start('exec dd status=none of=ingest/busy bs=64k iflag=fullblock');
    t.teardown(() => writer.kill());
    const data = setInterval(() => writer.stdin?.write(Buffer.alloc(64 << 10)), 10);
    t.teardown(() => clearInterval(data));
    const script = `
      until [[ -s ingest/busy ]]; do sleep 0.1; done
      for file in version stats status/busy.json; do
        is "$(stat -c %s ".cas/$file")" 0
        [[ $(cat ".cas/$file" | wc -c) -gt 5 ]]
        [[ $(wc -c < ".cas/$file") -gt 5 ]]
        cp ".cas/$file" "$scratch/copy"
        [[ -s $scratch/copy ]]
        mv -f "$scratch/copy" "$scratch/copied"
      done
      "$node" -e 'JSON.parse(fs.readFileSync(".cas/stats"))'
      "$node" -e 'JSON.parse(fs.readFileSync(process.env.scratch + "/copied"))'
      cp -r .cas "$scratch/cas"
      diff .cas/version "$scratch/cas/version"
      is "$(tar cf - .cas 2>&1 > /dev/null)" ''
      is "$(tar cf - .cas .cas | tar tf - | grep -c busy.json)" 2
      is "$(ls -lR .cas 2>&1 > /dev/null)" ''`;
    await sh(script);
    clearInterval(data);
    writer.stdin?.end();
    await once(writer, 'close');
  },

  'nothing below .cas/status can be made, changed or removed': async ({ sh }) => {
    const refused = 'Read-only file system';
    const script = `
      echo x > "ingest/$ref"
      mkdir -p ingest/directory
      fails "$refused" rm -f ".cas/status/$ref.json"
      fails "$refused" mkdir .cas/status/new
      fails "$refused" rmdir .cas/status/directory
      fails "$refused" mv "ingest/$ref" .cas/status/
      fails "$refused" touch .cas/status/new
      fails 'Read-only file system' chmod 0444 ".cas/status/$ref.json"
      [[ -e ingest/$ref ]]`;
    await sh(script, { refused });
  },
};

suite(EACH, rules);

/** What depends on who asks. */
const shared: Rules = {
  'everyone who may read the mount may read a status, and only read': async ({ t, mount, sh }) => {
    await sh('(umask 077; echo secret > ingest/secret)');
    const script = 'cat .cas/status/secret.json; echo x > .cas/status/secret.json; cat ingest/secret';
    const stranger = ['--reuid=12345', '--regid=12345', '--clear-groups', 'bash', '-c', script];
    const { stdout, stderr } = await run('setpriv', stranger, {
      cwd: mount.mountpoint,
      env: { ...process.env, LC_ALL: 'C' },
    });
    t.is((JSON.parse(stdout) as StatusJson).ref, 'secret');
    t.regex(stderr, /secret\.json: (Permission denied|Read-only file system)/);
    t.regex(stderr, /ingest\/secret: Permission denied/);
  },

  'the log tells who had what somebody else wanted to write': async ({ t, mount, sh }) => {
    const pid = (
      await sh('exec 3> ingest/held; fails "resource busy" overwrite ingest/held x; echo $$')
    ).trim();
    const refusal = (): Record<string, unknown> | undefined =>
      mount.site.log.findLast(({ code }) => code === 'INGEST_BUSY');
    // It is written once the call is answered.
    await until('the refusal is in the log', () => refusal() !== undefined);
    t.regex(
      String(refusal()?.['error']),
      new RegExp(`^held: another writer holds .*found bash \\(pid ${pid}\\) since 20`),
    );
  },
};

eachAlone(AS_ROOT, shared, { args: ['-o', 'allow_other', '--log-level', 'debug'] });
