import { execFile } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import { promisify } from 'node:util';
import { type Check, eachAlone, type Rules, succeeded } from '../e2e/suite.js';
import { CAS_MOUNT, isAlive, run, until } from '../src/process/site.js';
import { VARIANTS } from './form.js';
import { wrongBlobs } from './invariants.js';

const execute = promisify(execFile);

/** Sets a soft limit of the daemon. */
async function limit(
  { mount }: Check,
  resource: 'fsize' | 'nofile',
  to: number | 'unlimited',
): Promise<void> {
  await execute('prlimit', ['--pid', `${mount.site.daemon}`, `--${resource}=${to}:`]);
}

/** Mounts a new store, with what a shell has set before. */
async function mountUnder(
  { t, mount, variant }: Check,
  setting: string,
  args: readonly string[],
): Promise<void> {
  await mount.unmount();
  fs.rmSync(mount.site.store, { recursive: true });
  const { PATH, HOME, CAS_TEST_RUN } = process.env;
  const command = [process.execPath, CAS_MOUNT, '--root', mount.site.store, '--transport', variant.transport];
  const script = ['-c', `${setting}; exec "$@"`, 'bash', ...command, ...args, mount.mountpoint];
  succeeded(t, await run('bash', script, { env: { PATH, HOME, CAS_TEST_RUN } }));
}

const rules: Rules = {
  'the umask of whoever starts the daemon changes no mode, and that of a client only what it makes': async (
    check,
  ) => {
    const { t, mount, source, sh } = check;
    const made = await source(5000);
    const uses = `
      (umask 000; echo x > ingest/open; mkdir ingest/wide; cp "$src" "$blob")
      (umask 077; echo x > ingest/closed; mkdir ingest/narrow; cp "$src" ingest/moved; mv ingest/moved "$other")
      is "$(stat -c %a ingest/open ingest/closed ingest/wide ingest/narrow | xargs)" '666 600 777 700'
      is "$(stat -c %a "$blob" "$other" | xargs)" '444 444'
      setfattr -n user.cas.label.a -v b "$blob"
      until [[ -z $(ls "$store/fresh") ]]; do sleep 0.05; done
      until [[ -e $store/meta/witness ]]; do sleep 0.05; done
      stat -c '%a %n' . ingest blobs blobs/* .cas .cas/*
      cd "$store"
      stat -c '%a %n' . blobs/sha256/* ingest ingest/*/data cas.sock
      find . "$pidfile" -printf '%m %P\\n' | sed -E 's/[0-9a-f]{64}/HEX/; s/[0-9]{6}/N/' | sort -u`;
    const seen: string[] = [];
    for (const umask of ['022', '077', '000']) {
      const pidfile = mount.site.path('pid');
      await mountUnder(check, `umask ${umask}`, ['--pid-file', pidfile]);
      const sha512 = (await execute('sha512sum', [made.src])).stdout.slice(0, 128);
      seen.push(await sh(uses, { ...made, pidfile, other: `blobs/sha512/${sha512}` }));
    }
    t.is(seen[1], seen[0]);
    t.is(seen[2], seen[0]);
    const modes = new Set(seen[0]?.trimEnd().split('\n'));
    for (const mode of ['755 ingest', '755 blobs/sha256', '700 .', '600 cas.sock', '644 '])
      t.true(modes.has(mode), `${mode} of ${[...modes].join('; ')}`);
    t.deepEqual(
      [...modes].filter((mode) => / blobs\/sha256\/[0-9a-f]/.test(mode)).map((mode) => mode.slice(0, 3)),
      ['444'],
    );
  },

  'a limit of a client on the size of files is EFBIG or its death, and costs only what is beyond': async ({
    t,
    mount,
    source,
    sh,
  }) => {
    const { src, blob } = await source(300_007);
    const script = `
      limited() { (trap '' XFSZ; ulimit -f 100; "$@"); }
      fails 'File too large' limited dd if="$src" of=ingest/x bs=64k status=none
      is "$(stat -c %s ingest/x)" 102400
      fails 'File too large' limited truncate -s 102401 ingest/x
      fails 'File too large' limited fallocate -o 102000 -l 1000 ingest/x
      is "$(stat -c %s ingest/x)" 102400
      cmp -n 102400 "$src" ingest/x
      code=0
      (trap - XFSZ; ulimit -c 0 -f 100; exec tail -c +1 "$src" > ingest/y) 2> /dev/null || code=$?
      is $code $((128 + $(kill -l XFSZ)))
      is "$(stat -c %s ingest/y)" 102400
      for ref in x y; do
        tail -c +102401 "$src" >> ingest/$ref
        mv ingest/$ref "$blob"
      done
      cmp "$src" "$blob"`;
    await sh(script, { src, blob });
    t.is((await mount.status()).defects, 0);
  },

  'a limit of the daemon on the size of files is told to the writer, and the daemon lives': async (check) => {
    const { t, mount, source, sh } = check;
    const [small, large] = [await source(70_001), await source(3_000_000)];
    const { daemon } = mount.site;
    await limit(check, 'fsize', 1 << 20);
    const meets = `
      fails 'File too large' dd if="$src" of=ingest/x bs=128k status=none
      is "$(stat -c %s ingest/x)" 1048576
      fails 'File too large' truncate -s 1048577 ingest/x
      fails 'Bad message' mv ingest/x "$blob"
      fails 'File too large' cp "$src" "$blob"
      fails 'No such file' stat "$blob"
      cmp -n 1048576 "$src" ingest/x
      cp "$small" "$smallBlob"
      setfattr -n user.cas.label.a -v b "$smallBlob"
      cmp "$small" "$smallBlob"`;
    await sh(meets, { ...large, small: small.src, smallBlob: small.blob });
    t.is((await mount.status()).defects, 0);
    await limit(check, 'fsize', 'unlimited');
    await sh('tail -c +1048577 "$src" >> ingest/x; mv ingest/x "$blob"; cmp "$src" "$blob"', large);
    t.is(mount.site.daemon, daemon);
    t.true(isAlive(daemon));
  },

  'when the daemon may open no more files its callers are told so, and it recovers': async (check) => {
    const { t, mount, source, sh } = check;
    const [kept, added] = [await source(), await source()];
    await sh('cp "$src" "$blob"', kept);
    const { daemon } = mount.site;
    const opened = fs.readdirSync(`/proc/${daemon}/fd`).map(Number);
    const before = /Max open files\s+(\d+)/.exec(fs.readFileSync(`/proc/${daemon}/limits`, 'utf8'))?.[1];
    await limit(check, 'nofile', Math.max(...opened) + 12);
    const of = `of() { echo "blobs/sha256/$(printf '%s\\nagain\\n' $1 | sha256sum | head -c 64)"; };`;
    const holds = `${of}
      declare -A held=()
      said=''
      for index in {1..64}; do
        if { exec {fd}> "ingest/held-$index"; } 2> "$scratch/said"; then
          held[$index]=$fd
          echo "$index" >&$fd
        else
          said+=$(< "$scratch/said")
        fi
      done
      for index in "\${!held[@]}"; do echo again >&\${held[$index]}; done
      echo "\${#held[@]} held"
      [[ $said == *'Too many open files'* ]]
      echo "\${!held[@]}"
      read -r
      for index in "\${!held[@]}"; do
        fd=\${held[$index]}
        exec {fd}>&-
        said=$(mv "ingest/held-$index" "$(of $index)" 2>&1) || echo "$said"
      done`;
    const client = mount.start(holds);
    t.teardown(() => client.kill('SIGKILL'));
    const ended = once(client, 'close');
    let said = '';
    client.stdout?.setEncoding('utf8').on('data', (text: string) => (said += text));
    await until(
      'the client has met the limit',
      () => said.split('\n').length === 3 || client.exitCode !== null,
    );
    const [count = '', indices = ''] = said.split('\n');
    t.true(parseInt(count, 10) > 0);
    t.true(parseInt(count, 10) < 64);
    t.log(count);
    // Each call ends, well or with that error, and what it shows is right.
    const meets = `
      for round in 1 2 3; do
        if said=$(ls -lR . 2>&1 > /dev/null); then true; else [[ $said == *'Too many open files'* ]]; fi
        if said=$(cmp "$src" "$blob" 2>&1); then true; else [[ $said == *'Too many open files'* ]]; fi
        if said=$(cp "$src" "ingest/$ref" 2>&1); then rm "ingest/$ref"; else [[ $said == *'Too many open files'* ]]; fi
      done`;
    await sh(meets, kept);
    t.true(isAlive(daemon));
    client.stdin?.write('go\n');
    await ended;
    t.is(said.split('\n').slice(2).join(''), '');
    // The limit stands, but there is room again.
    const recovers = `${of}
      deadline=$((SECONDS + 60))
      until cp "$src" "ingest/$ref" 2> /dev/null; do (( SECONDS < deadline )); sleep 0.1; done
      mv "ingest/$ref" "$blob"
      cmp "$src" "$blob"
      for index in $indices; do is "$(cat "$(of $index)")" "$index"$'\\nagain'; done
      is "$(ls ingest)" ''`;
    await sh(recovers, { ...added, indices });
    t.is((await mount.status()).defects, 0);
    t.is(mount.site.daemon, daemon);
    t.true(JSON.stringify(mount.site.log).includes('EMFILE'));
    await limit(check, 'nofile', Number(before));
    await mount.restart();
    await sh(`${of} for index in $indices; do is "$(wc -l < "$(of $index)")" 2; done`, { indices });
    t.is(await wrongBlobs(mount.site.store), '');
  },

  'the times that a client gives an ingest change neither its resumption, its expiry nor its commit': async (
    check,
  ) => {
    const { t, mount, source, sh } = check;
    const made = await Promise.all([source(), source(), source(), source()]);
    const cases = ['1970-01-01', '2500-01-01'].flatMap((date) =>
      ['ingest/x', 'blobs/sha256/.x.tmp'].map((name) => ({ date, path: `${name}-${date}.tmp` })),
    );
    await mount.unmount();
    await mount.mount(['--checkpoint', '65536']);
    for (const [index, { date, path }] of cases.entries()) {
      const begins = `
        head -c 200000 "$src" > "$path"
        touch -d "$date 00:00 UTC" "$path" "$scratch/reference"
        is "$(stat -c %Y "$path")" "$(stat -c %Y "$scratch/reference")"`;
      await sh(begins, { ...made[index], date, path });
    }
    await sh('echo x > .old.tmp; until [[ -z $(ls "$store/fresh") ]]; do sleep 0.05; done');
    await mount.kill();
    const ages = `
      cd "$(dirname "$(grep -lx /.old.tmp "$store"/ingest/*/ref)")"
      printf 2001-01-01T00:00:00Z | tee startedat > updatedat
      touch -d 2001-01-01 data`;
    await run('umount', ['-l', mount.mountpoint]);
    succeeded(t, await mount.run(ages));
    await mount.mount(['--checkpoint', '65536']);
    await until(
      'the ingests have been looked through',
      () => mount.site.logged('ingest expired') !== undefined,
    );
    t.is(mount.site.logged('ingest expired')?.['ref'], '/.old.tmp');
    for (const [index, { date, path }] of cases.entries()) {
      const resumes = `
        is "$(stat -c %s "$path")" 200000
        touch -d "$date 00:00 UTC" "$scratch/reference"
        is "$(stat -c %Y "$path")" "$(stat -c %Y "$scratch/reference")"
        value() { getfattr --only-values -n "user.cas.$1" "$path"; }
        until [[ $(value offset) == 200000 ]]; do sleep 0.05; done
        is "$(value digest)" "sha256:$(head -c 200000 "$src" | sha256sum | head -c 64)"
        tail -c +200001 "$src" >> "$path"
        touch -d "$date 00:00 UTC" "$path"
        mv "$path" "$blob"
        cmp "$src" "$blob"
        age=$(( $(date +%s) - $(stat -c %Y "$blob") ))
        (( age >= -5 && age < 300 ))`;
      await sh(resumes, { ...made[index], date, path });
    }
    t.is((await mount.status()).defects, 0);
    t.is(await wrongBlobs(mount.site.store), '');
  },
};

eachAlone(VARIANTS, rules);
