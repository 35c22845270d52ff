// Many small commits: from one process and from four, durable and with -o sync=batch.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { makeStore, sha256, smallContent } from '../blobs.mjs';
import { startContainerd } from '../containerd.mjs';
import { settle } from '../disk.mjs';
import { interleave, line } from '../measure.mjs';
import { mountCas } from '../mounts.mjs';
import { run, timed } from '../run.mjs';

const SIZE = 4096;
const WRITERS = 4;
/** Each is a process of its own, so there are few of them. */
const PEER_COMMITS = 100;

async function commitSmall(context) {
  const count = context.sizes.commits;
  const program = join(context.base, 'commit-loop');
  await run(['cc', '-O2', '-o', program, join(import.meta.dirname, '../commit-loop.c')]);

  /** Seconds that `writers` processes take to commit `count` new files between them. */
  async function commit(mode, directory, salt, writers) {
    const digests = join(context.base, 'digests');
    const names = Array.from({ length: count }, (_, index) => sha256(smallContent(salt, index, SIZE)));
    writeFileSync(digests, `${names.join('\n')}\n`);
    await settle(context);
    const each = count / writers;
    const times = await Promise.all(
      Array.from({ length: writers }, (_, writer) =>
        run([program, mode, directory, digests, salt, String(writer * each), String(each), String(SIZE)], {
          seconds: 300,
        }),
      ),
    );
    return Math.max(...times.map(Number));
  }

  const plain = join(context.disk, 'commit-plain');
  mkdirSync(join(plain, 'ingest'), { recursive: true });
  mkdirSync(join(plain, 'blobs/sha256'), { recursive: true });
  const mounts = [];
  async function casMode(name, options) {
    try {
      const mount = await mountCas(context, await makeStore(context, name), { options });
      mounts.push(mount);
      return (salt, writers) => commit('cas', mount.mountpoint, salt, writers);
    } catch (error) {
      return () => Promise.reject(error);
    }
  }
  const durable = await casMode('commit', []);
  const batch = await casMode('commit-batch', ['-o', 'sync=batch']);
  const peer = await startContainerd(context).catch((error) => context.note(`containerd: ${error.message}`));

  const bare = (salt, writers) => commit('disk', plain, salt, writers);
  const results = await interleave(context, context.repeats, {
    'disk, 1 writer': async (repeat) => ({ seconds: await bare(`d1-${repeat}`, 1) }),
    'cas-mount, 1 writer': async (repeat) => ({ seconds: await durable(`c1-${repeat}`, 1) }),
    'disk, 4 writers': async (repeat) => ({ seconds: await bare(`d4-${repeat}`, WRITERS) }),
    'cas-mount, 4 writers': async (repeat) => ({ seconds: await durable(`c4-${repeat}`, WRITERS) }),
    'cas-mount, sync=batch': async (repeat) => ({ seconds: await batch(`cb-${repeat}`, 1) }),
    ...(peer && {
      'ctr content ingest': async (repeat) => ({ seconds: await ctrCommits(context, peer, repeat) }),
    }),
  });
  for (const mount of mounts) await mount.unmount();
  peer?.stop();

  const what = `${count} commits of 4 KiB`;
  const disk = ['disk', results['disk, 1 writer']];
  const one = results['cas-mount, 1 writer'];
  const four = results['cas-mount, 4 writers'];
  const options = { unit: 's' };
  return [
    line(what, 'write; fsync; rename loop', results['disk, 1 writer'], 'seconds', options),
    line(what, 'cas-mount', one, 'seconds', { ...options, against: disk, bar: '<= 1.5' }),
    line(what, 'cas-mount, sync=batch', results['cas-mount, sync=batch'], 'seconds', {
      ...options,
      against: disk,
      bar: '<= 0.5',
    }),
    line(`${what}, 4 writers`, '4 loops', results['disk, 4 writers'], 'seconds', {
      ...options,
      against: disk,
    }),
    line(`${what}, 4 writers`, 'cas-mount', four, 'seconds', {
      ...options,
      against: ['1 writer', one],
      bar: '<= 0.667',
    }),
    ...(peer
      ? [
          line(
            what,
            `ctr content ingest (${PEER_COMMITS} runs, scaled)`,
            results['ctr content ingest'],
            'seconds',
            {
              ...options,
              against: disk,
            },
          ),
        ]
      : []),
  ];
}

/** Seconds for as many commits as the other systems make; each is one run of ctr. */
async function ctrCommits(context, peer, repeat) {
  const directory = join(context.base, `small-${repeat}`);
  mkdirSync(directory);
  for (let index = 0; index < PEER_COMMITS; index++) {
    writeFileSync(join(directory, String(index)), smallContent(`p-${repeat}`, index, SIZE));
  }
  await settle(context);
  const loop = 'cd "$1"; shift; for f in *; do "$@" content ingest "$f" <"$f" || exit; done';
  const seconds = await timed(loop, [directory, ...peer.command]);
  return (seconds * context.sizes.commits) / PEER_COMMITS;
}

export const rows = { 'commit-small': commitSmall };
