import { execFile } from 'node:child_process';
import fs from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import test from 'ava';
import { temporaryDirectory } from '../helpers/temporary.js';
import { Mount } from './mount.js';
import { eachAlone, type Rules } from './suite.js';
import { AS_ROOT } from './variants.js';

const execute = promisify(execFile);

/** Where Debian has the sources of Go packages. */
const GOPATH = '/usr/share/gocode';
const PACKAGE = 'github.com/containerd/containerd/content/local';
const TESTS = `${GOPATH}/src/${PACKAGE}/store_test.go`;
/** A source of ours that is compiled with them. */
const EMPTIED = fileURLToPath(new URL('../../../test/e2e/containerd/emptied_test.go', import.meta.url));

/** How long, in milliseconds, compiling may take, and the tests. */
const PATIENCE = 240_000;

/** Compiles containerd's tests of its content store, such that CONTENT_ROOT tells where the store is. */
async function compile(directory: string): Promise<string> {
  const [source, overlay, program] = ['store_test.go', 'overlay.json', 'content.test'].map(
    (name) => `${directory}/${name}`,
  ) as [string, string, string];
  const original = fs.readFileSync(TESTS, 'utf8');
  const ours = original
    .replaceAll('t.TempDir()', 'emptied(t.TempDir)')
    .replaceAll('NewLabeledStore(root,', 'NewLabeledStore(emptied(func() string { return root }),');
  fs.writeFileSync(source, ours);
  const Replace = { [TESTS]: source, [TESTS.replace('store_test', 'emptied_test')]: EMPTIED };
  fs.writeFileSync(overlay, JSON.stringify({ Replace }));
  const env = { ...process.env, GOPATH, GO111MODULE: 'off', GOFLAGS: '', GOCACHE: `${directory}/cache` };
  // A check of vet would read the source that is not there.
  const args = ['test', '-vet=off', '-overlay', overlay, '-c', '-o', program, PACKAGE];
  await execute('go', args, { env, timeout: PATIENCE });
  return program;
}

/** The outcome of each test, and what containerd logs where it goes on after an error. */
async function outcomes(program: string, scratch: string, root?: string): Promise<string[]> {
  const env = { ...process.env, TMPDIR: scratch, ...(root === undefined ? {} : { CONTENT_ROOT: root }) };
  const { stdout, stderr } = await execute(program, ['-test.v'], { env, timeout: PATIENCE }).catch(
    (error: unknown) => error as { stdout: string; stderr: string },
  );
  const lines = `${stdout}\n${stderr}`.split('\n');
  return lines.flatMap((line) => /--- \w+: \S+|level=error.*/.exec(line)?.slice(0, 1) ?? []);
}

test.serial(
  "containerd's own tests of its content store say the same on the mount and on the disk",
  async (t) => {
    t.timeout(2 * PATIENCE);
    const directory = temporaryDirectory(t);
    const program = await compile(directory);
    const mounts = [];
    for (const variant of AS_ROOT) {
      const mount = await Mount.of(variant);
      t.teardown(() => mount.close());
      mounts.push(mount);
    }
    // Most of their time they wait.
    const [disk, ...mounted] = await Promise.all([
      outcomes(program, directory),
      ...mounts.map(({ scratch, mountpoint }) => outcomes(program, scratch, mountpoint)),
    ]);
    t.true(disk.length > 15 && disk.every((line) => line.startsWith('--- PASS')), disk.join('\n'));
    for (const [index, { name }] of AS_ROOT.entries()) t.deepEqual(mounted[index], disk, name);
    for (const mount of mounts) t.is((await mount.status()).defects, 0);
  },
);

/**
 * A containerd of the test's own. `use DIRECTORY [UMASK]` makes that its content root and starts it; `half REF BYTES` ingests the first bytes of
 * the source, and kills containerd in the middle.
 */
const CONTAINERD = `
  home=$scratch/containerd
  content=$home/root/io.containerd.content.v1.content
  use() {
    mkdir -p "$home/root"
    ln -sfn "$1" "$content"
    cat > "$home/config.toml" <<-END
      version = 2
      root = "$home/root"
      state = "$home/state"
      disabled_plugins = ["io.containerd.grpc.v1.cri"]
      [grpc]
      address = "$home/sock"
      [ttrpc]
      address = "$home/ttrpc"
      # What no image refers to is removed by its garbage collection.
      [plugins."io.containerd.gc.v1.scheduler"]
      startup_delay = "24h"
END
    (umask "\${2:-022}"; exec containerd --config "$home/config.toml" > "$home/log" 2>&1) &
    echo $! > "$home/pid"
    until ctr -a "$home/sock" version > "$home/said" 2>&1; do kill -0 "$(< "$home/pid")"; sleep 0.1; done
  }
  stop() {
    kill -KILL "$(< "$home/pid")"
    while kill -0 "$(< "$home/pid")" 2> /dev/null; do sleep 0.1; done
  }
  # What follows the ref is put before the command.
  ingest() {
    "\${@:2}" ctr -a "$home/sock" content ingest --expected-size "$(stat -c %s "$src")" --expected-digest "sha256:$hex" "$1"
  }
  half() {
    mkfifo "$home/pipe"
    exec 9<> "$home/pipe"
    ingest "$1" exec < "$home/pipe" > /dev/null 2>&1 9>&- &
    local client=$!
    head -c "$2" "$src" >&9
    until [[ $(cat "$content"/ingest/*/data 2> /dev/null | wc -c) -ge $2 ]]; do sleep 0.1; done
    stop
    exec 9>&-
    kill -KILL $client || true
    wait $client || true
    rm "$home/pipe"
  }
`;

const rules: Rules = {
  'containerd goes on with what it has left half done, with the mount and without': async (check) => {
    const { t, mount, sh, source } = check;
    const sources = [await source(3 << 20), await source(3 << 20)];
    const run = (number: number, script: string): Promise<string> =>
      sh(`cd /; ${CONTAINERD} ${script}`, sources[number]);
    t.teardown(() => mount.run(`${CONTAINERD} stop`));
    const resume = `
      ctr -a "$home/sock" content active | grep -q "^one.*1.049MB"
      ingest one < "$src"
      cmp "$src" "$content/$blob"
      is "$(ls -A "$content/ingest")" ""`;
    await run(0, 'use "$mountpoint"; half one 1048576');
    await mount.unmount();
    // Its directories on the disk may have any mode then.
    await run(0, `use "$store" 077; ${resume}`);
    await run(1, 'half one 1048576');
    await mount.mount();
    await run(1, `use "$mountpoint"; ${resume}`);
    await run(0, 'cmp "$src" "$content/$blob"; stop');
  },
};

eachAlone(AS_ROOT, rules);
