// What the checkpoints of a large ingest cost, and what they save after kill -9.
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { makeFile, makeStore } from '../blobs.mjs';
import { startContainerd } from '../containerd.mjs';
import { settle } from '../disk.mjs';
import { interleave, line } from '../measure.mjs';
import { mountCas } from '../mounts.mjs';
import { kill, run, timed, until } from '../run.mjs';

const MEBIBYTE = 2 ** 20;

async function checkpoints(context) {
  const source = makeFile(join(context.disk, 'source'), context.sizes.large);
  await run(['dd', `if=${source.path}`, 'of=/dev/null', 'bs=1M']);
  const mounts = {};
  for (const [name, options] of [
    ['without', ['--checkpoint', 'never']],
    ['with', []],
  ])
    mounts[name] = await mountCas(context, await makeStore(context, `checkpoints-${name}`), { options });
  const measure = (mount) => async () => {
    await settle(context);
    const copy = 'cp "$1" "$2/ingest/x" && mv "$2/ingest/x" "$2/blobs/sha256/$3"';
    const seconds = await timed(copy, [source.path, mount.mountpoint, source.hex]);
    await run(['rm', '-f', join(mount.mountpoint, 'blobs/sha256', source.hex)]);
    return { seconds };
  };
  const results = await interleave(context, 2 * context.repeats + 1, {
    without: measure(mounts.without),
    with: measure(mounts.with),
  });
  for (const mount of Object.values(mounts)) await mount.unmount();
  rmSync(source.path);
  const what = `ingest and commit of ${context.large}`;
  return [
    line(what, 'cas-mount, no checkpoints', results.without, 'seconds', { unit: 's' }),
    line(what, 'cas-mount, checkpoints', results.with, 'seconds', {
      unit: 's',
      against: ['none', results.without],
      bar: '<= 1.05',
    }),
  ];
}

async function resume(context) {
  const size = context.sizes.resumed;
  const blocks = size / MEBIBYTE;
  const first = Math.floor(blocks * 0.99);
  const source = makeFile(join(context.disk, 'source'), size);
  const mount = await mountCas(context, await makeStore(context, 'resume'));
  const { peer, peerError } = await startContainerd(context).then(
    (peer) => ({ peer }),
    (peerError) => ({ peerError }),
  );

  async function resumeOurs() {
    const ingest = join(mount.mountpoint, 'ingest/x');
    await run(['dd', `if=${source.path}`, `of=${ingest}`, 'bs=1M', `count=${first}`], { seconds: 300 });
    const [pid] = mount.pids().slice(-1);
    kill(pid, 'SIGKILL');
    await until(() => !mount.pids().includes(pid), 'the killed daemon is gone');
    await mount.again();
    const append = 'head -c 1 "$1" >> "$2"';
    const opened = await timed(append, [source.path, ingest]);
    await run(['truncate', '-s', String(first * MEBIBYTE), ingest]);
    const rest = 'dd if="$1" of="$2" bs=1M skip="$3" seek="$3" conv=notrunc status=none';
    await timed(rest, [source.path, ingest, first]);
    const commit = 'mv "$1" "$2/blobs/sha256/$3"';
    const committed = await timed(commit, [ingest, mount.mountpoint, source.hex]);
    await run(['cmp', source.path, join(mount.mountpoint, 'blobs/sha256', source.hex)]);
    await run(['rm', '-f', join(mount.mountpoint, 'blobs/sha256', source.hex)]);
    return { opened, committed };
  }

  /** An ingest that ends too early is refused and stays; the next one with its name goes on with it. */
  async function resumePeer() {
    if (peerError) throw peerError;
    const expected = ['--expected-digest', `sha256:${source.hex}`, '--expected-size', String(size)];
    const command = [...peer.command, 'content', 'ingest', ...expected, 'resumed'];
    const cutOff = 'f=$1; n=$2; shift 2; head -c "$n" "$f" | "$@" 2>&1 || true';
    await timed(cutOff, [source.path, String(first * MEBIBYTE), ...command], { seconds: 300 });
    const seconds = await timed('f=$1; shift; "$@" <"$f"', [source.path, ...command], { seconds: 300 });
    await peer.remove(source.hex);
    return { seconds };
  }

  const results = await interleave(context, context.repeats, {
    hash: async () => ({ seconds: await timed('openssl dgst -sha256 "$1"', [source.path]) }),
    'cas-mount': resumeOurs,
    'ctr content ingest': resumePeer,
  });
  await mount.unmount();
  peer?.stop();
  rmSync(source.path);
  const ours = results['cas-mount'];
  const options = { unit: 's' };
  const hash = ['hash', results.hash, 'seconds'];
  const what = `resume ${blocks} MiB at 99 % after kill -9`;
  return [
    line(what, 'openssl sha256 of it', results.hash, 'seconds', options),
    line(what, 'open and first byte', ours, 'opened', { ...options, against: hash, bar: '<= 0.05' }),
    line(what, 'open and first byte', ours, 'opened', { ...options, bar: '<= 2', absolute: true }),
    line(what, 'commit', ours, 'committed', { ...options, against: hash, bar: '<= 0.1' }),
    line(what, 'ctr, resume and commit', results['ctr content ingest'], 'seconds', {
      ...options,
      against: hash,
    }),
  ];
}

export const rows = { checkpoints, resume };
