import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { mounts } from '../../fs/mounts.js';
import { PinnedMount } from '../../src/pinned-mount.js';
import { rooted } from '../helpers/disks.js';
import { temporaryDirectory } from '../helpers/temporary.js';

/** A directory on which to mount, and what is mounted there. */
interface Place {
  readonly path: string;
  readonly mount: (source: string) => void;
  readonly sources: () => string[];
}

function placeOf(t: ExecutionContext): Place {
  const path = join(temporaryDirectory(t), 'a place');
  mkdirSync(path);
  const sources = (): string[] =>
    mounts()
      .filter(({ mountpoint }) => mountpoint === path)
      .map(({ source }) => source);
  t.teardown(() => {
    while (sources().length > 0) execFileSync('umount', [path]);
  });
  return { path, mount: (source) => execFileSync('mount', ['-t', 'tmpfs', source, path]), sources };
}

function pin(t: ExecutionContext, path: string): PinnedMount {
  const pinned = PinnedMount.at(path);
  if (pinned === undefined) throw new Error('nothing is mounted');
  t.teardown(() => pinned.close());
  return pinned;
}

rooted('the topmost mount is pinned and detached, and nothing where nothing is mounted', async (t) => {
  const { path, mount, sources } = placeOf(t);
  t.is(PinnedMount.at(path), undefined);
  t.throws(() => PinnedMount.at(join(path, 'missing')), { code: 'ENOENT' });
  mount('lower');
  mount('upper');
  const pinned = pin(t, path);
  t.is(pinned.mount.source, 'upper');
  t.false(pinned.isDead);
  t.true(await pinned.detach());
  t.deepEqual(sources(), ['lower']);
  t.false(await pinned.detach(), 'again');
  t.deepEqual(sources(), ['lower']);
});

rooted('what was mounted in the place of a mount, or over it, is not detached with it', async (t) => {
  const { path, mount, sources } = placeOf(t);
  mount('ours');
  const covered = pin(t, path);
  mount('theirs');
  t.false(await covered.detach());
  t.deepEqual(sources(), ['ours', 'theirs']);
  execFileSync('umount', [path]);
  execFileSync('umount', ['-l', path]);
  mount('theirs');
  t.false(await covered.detach());
  t.deepEqual(sources(), ['theirs']);
});
