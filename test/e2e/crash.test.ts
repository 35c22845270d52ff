import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Check, eachAlone, type Rules } from './suite.js';
import { isAlive, until } from '../src/process/site.js';
import { ALL } from './variants.js';

/** How long, in milliseconds, an answer may take that needs nothing but an error: without one it never comes. */
const AT_ONCE = 60_000;

/** What the kernel says of a mount without a daemon, the second of one that was aborted. */
const GONE = /Transport endpoint is not connected|Software caused connection abort/;

/** A process of a script that first says `open`, which it has by then; and what it has said. */
async function client(
  { mount }: Check,
  script: string,
  variables: NodeJS.ProcessEnv = {},
): Promise<{ go: () => void; said: () => string; gone: () => Promise<void> }> {
  const child = mount.start(script, variables);
  let said = '';
  child.stdout?.setEncoding('utf8').on('data', (text: string) => (said += text));
  const ended = once(child, 'close');
  await until('the client has a file open', () => said === 'open\n');
  return {
    go: () => child.stdin?.write('go\n'),
    said: () => said,
    /** Waits for its end, and fails if that does not come at once. */
    gone: async () => {
      const late = sleep(AT_ONCE, 'late', { ref: false });
      if ((await Promise.race([ended, late])) === 'late') throw new Error(`it hangs, and said: ${said}`);
    },
  };
}

const rules: Rules = {
  'after kill -9 clients get an error at once, and the next cas-mount has all that was there': async (
    check,
  ) => {
    const { t, mount, source, sh } = check;
    const { src, hex, blob } = await source(3_000_000);
    const other = await source();
    await sh('cp "$src" "$blob"', other);
    await sh('mkdir -p ingest/d/e; head -c 1234567 "$src" > ingest/d/x', { src });
    const reads =
      'exec 3< "$blob"; echo open; read -r; cat <&3 2>&1 >/dev/null || true; ls ingest 2>&1 || true';
    const reader = await client(check, reads, { blob: other.blob });
    await mount.kill();
    reader.go();
    await reader.gone();
    t.regex(reader.said(), GONE);
    t.true(mount.site.mounted);

    const mounting = performance.now();
    await mount.mount();
    t.log(`mounted again in ${Math.round(performance.now() - mounting)} ms`);
    const script = `
      cmp "$other" "$otherBlob"
      [[ -d ingest/d/e ]]
      is "$(stat -c %s ingest/d/x)" 1234567
      # Two attributes are read one after the other, and hashing goes on meanwhile.
      value() { getfattr --only-values -n "user.cas.$1" ingest/d/x; }
      offset=-1
      while digest=$(value digest); [[ $(value offset) != $offset ]]; do offset=$(value offset); done
      is "$digest" "sha256:$(head -c $offset "$src" | sha256sum | head -c 64)"
      cmp -n 1234567 "$src" ingest/d/x
      tail -c +1234568 "$src" >> ingest/d/x
      mv ingest/d/x "$blob"
      cd blobs/sha256
      echo "$hex  $hex" | sha256sum -c --quiet`;
    await sh(script, { src, hex, blob, other: other.src, otherBlob: other.blob });
  },

  'a transfer that kill -9 cuts off is resumed from what is there': async (check) => {
    const { t, mount, source, sh } = check;
    const { src, blob } = await source(6 << 20);
    const block = `dd if="$src" bs=16k skip=$block count=1 status=none >&3`;
    const script = `exec 3> ingest/x; for block in {0..383}; do ${block} || exit 0; echo $((block + 1)); done 2> /dev/null`;
    const writer = mount.start(script, { src });
    const ended = once(writer, 'close', { signal: AbortSignal.timeout(2 * AT_ONCE) });
    let written = 0;
    writer.stdout
      ?.setEncoding('utf8')
      .on('data', (text: string) => (written = Number(text.trim().split('\n').at(-1))));
    await until('some of it is written', () => written >= 20);
    const acknowledged = written << 14;
    await mount.kill();
    await ended;
    await mount.mount();
    const goesOn = `
      size=$(stat -c %s ingest/x)
      (( size >= ${acknowledged} ))
      cmp -n $size "$src" ingest/x
      tail -c +$((size + 1)) "$src" >> ingest/x
      mv ingest/x "$blob"
      cmp "$src" "$blob"`;
    await sh(goesOn, { src, blob });
    t.is((await mount.status()).defects, 0);
  },

  'a client that waits for an answer when the daemon is killed is let go at once': async (check) => {
    const { t, mount } = check;
    const writes = 'exec 3> ingest/x; echo open; read -r; { echo more >&3; } 2>&1 || true';
    const writer = await client(check, writes);
    process.kill(mount.site.daemon, 'SIGSTOP');
    writer.go();
    await mount.kill();
    await writer.gone();
    t.regex(writer.said(), GONE);
    await mount.mount();
  },

  'an error that nobody catches lets clients go at once, and the next cas-mount mounts': async (check) => {
    const { t, mount, sh } = check;
    await mount.unmount();
    await mount.mount([], { CAS_MOUNT_TEST_FAULTS: '1' });
    const pid = mount.site.daemon;
    const writes =
      'exec 3> ingest/x; echo open; read -r; while echo more >&3; do true; done 2>&1; echo ended';
    const writer = await client(check, writes);
    writer.go();
    await mount.site.throwInDaemon();
    await writer.gone();
    t.regex(writer.said(), GONE);
    await until('the daemon is gone', () => !isAlive(pid));
    t.like(mount.site.logged('defect: ending'), { level: 'fatal', error: 'fault on request' });
    await mount.mount();
    await sh('echo x > ingest/y; is "$(cat ingest/y)" x');
  },
};

eachAlone(ALL, rules);
