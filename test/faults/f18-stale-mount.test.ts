import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import { type Check, eachAlone, type Rules } from '../e2e/suite.js';
import { mounts } from '../../fs/mounts.js';
import { isAlive, run, until } from '../src/process/site.js';
import { RESTART, VARIANTS } from './form.js';

/** What the kernel says of a mount without a daemon, the second of one that was aborted. */
const GONE = /not connected|connection abort/;
const BUSY = 'the mount is busy and stays; a second signal detaches it';

/** A script that has files open: it has said `open`, and goes on with each line that it is given. */
class Client {
  readonly #child: ChildProcess;
  readonly #ended: Promise<unknown>;
  #said = '';

  private constructor(child: ChildProcess) {
    this.#child = child;
    this.#ended = once(child, 'close');
    child.stdout?.setEncoding('utf8').on('data', (text: string) => (this.#said += text));
  }

  static async of({ t, mount }: Check, script: string, variables: NodeJS.ProcessEnv = {}): Promise<Client> {
    const client = new Client(mount.start(script, { ...variables }));
    t.teardown(() => client.#child.kill('SIGKILL'));
    await client.says('open');
    return client;
  }

  go(): void {
    this.#child.stdin?.write('go\n');
  }

  /** Waits until it has said a line. */
  says(line: string): Promise<void> {
    return until(`the client says ${line}`, () => this.lines.includes(line));
  }

  get lines(): string[] {
    return this.#said.split('\n');
  }

  /** Waits for its end; all that it has said after `open`. */
  async end(): Promise<string[]> {
    this.go();
    await this.#ended;
    return this.lines.slice(1, -1);
  }
}

/** What is mounted at the mountpoint, the topmost last. */
function typesThere({ mount }: Check): string[] {
  return mounts()
    .filter(({ mountpoint }) => mountpoint === mount.mountpoint)
    .map(({ type }) => type);
}

/** Somebody else mounts a tmpfs there, with a file in it. */
async function coverByOther({ t, mount }: Check): Promise<void> {
  const { code, stderr } = await run('mount', ['-t', 'tmpfs', 'theirs', mount.mountpoint]);
  t.is(code, 0, stderr);
  fs.writeFileSync(`${mount.mountpoint}/theirs`, 'theirs');
}

/** The tmpfs of {@link coverByOther} is topmost and has its file; then its owner unmounts it. */
async function uncover(check: Check): Promise<void> {
  const { t, mount } = check;
  t.is(typesThere(check).at(-1), 'tmpfs');
  t.is(fs.readFileSync(`${mount.mountpoint}/theirs`, 'utf8'), 'theirs');
  t.is((await run('umount', [mount.mountpoint])).code, 0);
}

async function lazilyUnmount({ t, mount }: Check): Promise<void> {
  const { code, stderr } = await run('umount', ['-l', mount.mountpoint]);
  t.is(code, 0, stderr);
}

/** Mounts again with no step in between: one mount is there then, and it works. */
async function restarts(check: Check): Promise<void> {
  const { t, mount, sh } = check;
  const started = performance.now();
  await mount.mount();
  const took = Math.round(performance.now() - started);
  t.log(`cas-mount was up in ${took} ms`);
  t.true(took < RESTART);
  t.deepEqual(typesThere(check), ['fuse.cas-mount']);
  await sh('echo y > "ingest/$ref"; is "$(cat "ingest/$ref")" y; rm "ingest/$ref"');
}

const rules: Rules = {
  'after kill -9 nothing that is still open reaches the next mount, nor keeps it from coming': async (
    check,
  ) => {
    const { t, mount, source, sh } = check;
    const { src, hex, blob } = await source(200_000);
    await sh('cp "$src" "$blob"; echo kept > ingest/w; echo read > ingest/r; mkdir -p ingest/d', {
      src,
      blob,
    });
    const script = `
      cd ingest/d
      exec 3< "../../$blob" 4>> ../w 5< ../r 6< ..
      echo open; read -r
      { echo lost >&4; } 2> /dev/null && echo 'wrote'
      exec 4>&- || true
      cat <&5 2>&1 || true
      ls /proc/self/fd/6/ 2>&1 || true
      stat . 2>&1 || true
      sha256sum <&3 2>&1 || true
      read -r`;
    const client = await Client.of(check, script, { blob });
    await mount.kill();
    await restarts(check);
    client.go();
    await until('the client has tried all', () => client.lines.length >= 6);
    const said = client.lines.slice(1, -1);
    for (const line of said.slice(0, 3)) t.regex(line, GONE);
    // The kernel reads a blob that is passed through without the daemon.
    t.regex(said[3] ?? '', new RegExp(`${GONE.source}|^${hex}`));
    await sh('is "$(cat ingest/w)" kept; echo more >> ingest/w; is "$(wc -l < ingest/w)" 2; rmdir ingest/d');
    await client.end();
    await mount.kill();
    await restarts(check);
    await sh('is "$(wc -l < ingest/w)" 2; cmp "$src" "$blob"', { src, blob });
  },

  'after umount -l open files are served to their end, and the next cas-mount waits for it': async (
    check,
  ) => {
    const { t, mount, sh } = check;
    const script = `
      exec 3> ingest/x 4< ingest/x
      echo before >&3
      echo open; read -r
      echo after >&3; sync -d /proc/self/fd/3; cat <&4; echo written; read -r`;
    const client = await Client.of(check, script);
    const pid = mount.site.daemon;
    await lazilyUnmount(check);
    t.deepEqual(typesThere(check), []);
    client.go();
    await client.says('written');
    t.true(isAlive(pid));
    const mounting = mount.mount();
    t.deepEqual(await client.end(), ['before', 'after', 'written']);
    await mounting;
    t.false(isAlive(pid));
    t.not(mount.site.daemon, pid);
    t.deepEqual(typesThere(check), ['fuse.cas-mount']);
    await sh(`is "$(cat ingest/x)" $'before\\nafter'`);
  },

  'a second mount over a live one is refused for our own, whatever its store, and harms nothing': async (
    check,
  ) => {
    const { t, mount, sh } = check;
    const client = await Client.of(check, 'exec 3> ingest/x; echo open; read -r; echo more >&3; echo fine');
    for (const store of [mount.site.store, mount.site.path('other')]) {
      const { code, stderr } = await mount.site.castMount([
        '--root',
        store,
        '-o',
        'nonempty',
        mount.mountpoint,
      ]);
      t.is(code, 32);
      t.regex(stderr, new RegExp(`the store ${mount.site.store} is already mounted there\n$`));
    }
    t.deepEqual(typesThere(check), ['fuse.cas-mount']);
    t.deepEqual(await client.end(), ['fine']);
    await sh('is "$(cat ingest/x)" more');
  },

  'SIGTERM leaves a mount whose files are being written; a second one lets the writer finish': async (
    check,
  ) => {
    const { t, mount, sh } = check;
    const script = `
      exec 3> ingest/x
      echo open; read -r
      echo one >&3; echo written; read -r
      echo two >&3; echo finished`;
    const client = await Client.of(check, script);
    const pid = mount.site.daemon;
    process.kill(pid, 'SIGTERM');
    await until('the mount is said to be busy', () => mount.site.logged(BUSY) !== undefined);
    const holders = mount.site.logged(BUSY)?.['holders'] as { command: string; paths: string[] }[];
    t.deepEqual(
      holders.map(({ paths }) => paths.includes(`${mount.mountpoint}/ingest/x`)),
      [true],
    );
    client.go();
    await client.says('written');
    process.kill(pid, 'SIGTERM');
    await until('it is detached', () => typesThere(check).length === 0);
    t.deepEqual(await client.end(), ['written', 'finished']);
    await until('the daemon has ended', () => !isAlive(pid));
    t.is(mount.site.log.at(-1)?.['msg'], 'unmounted');
    await restarts(check);
    await sh(`is "$(cat ingest/x)" $'one\\ntwo'`);
  },

  'what somebody mounts over a live mount is not unmounted by any signal': async (check) => {
    const { mount } = check;
    const pid = mount.site.daemon;
    await coverByOther(check);
    process.kill(pid, 'SIGTERM');
    await until('the mount is said to be busy', () => mount.site.logged(BUSY) !== undefined);
    process.kill(pid, 'SIGTERM');
    await until('it is not detached', () => mount.site.logged('detaching failed') !== undefined);
    process.kill(pid, 'SIGTERM');
    await until('the daemon has ended', () => !isAlive(pid));
    await uncover(check);
    await restarts(check);
  },

  'what somebody mounts over a dead mount is not unmounted, and not hidden unasked': async (check) => {
    const { t, mount } = check;
    await mount.kill();
    await coverByOther(check);
    const { code, stderr } = await mount.castMount();
    t.is(code, 32);
    t.regex(stderr, /the mountpoint is not empty/);
    await mount.mount(['-o', 'nonempty']);
    t.deepEqual(typesThere(check).slice(-2), ['tmpfs', 'fuse.cas-mount']);
    await mount.unmount();
    await uncover(check);
    await restarts(check);
  },
};

eachAlone(VARIANTS, rules);

const replaced: Rules = {
  'what somebody mounts in the place of a mount that was detached is not unmounted, even by a crash': async (
    check,
  ) => {
    const { t, mount } = check;
    const script = `exec 3> ingest/x; echo open; read -r; echo more >&3; echo fine; read -r; { echo lost >&3; } 2>&1 || true`;
    const client = await Client.of(check, script);
    const pid = mount.site.daemon;
    await lazilyUnmount(check);
    await coverByOther(check);
    process.kill(pid, 'SIGTERM');
    await until('the mount is said to be busy', () => mount.site.logged(BUSY) !== undefined);
    t.is(typesThere(check).at(-1), 'tmpfs');
    client.go();
    await client.says('fine');
    await mount.site.throwInDaemon();
    await until('the daemon is gone', () => !isAlive(pid));
    t.regex((await client.end()).at(-1) ?? '', GONE);
    await uncover(check);
    await restarts(check);
  },
};

eachAlone(VARIANTS, replaced, { env: { CAS_MOUNT_TEST_FAULTS: '1' } });
