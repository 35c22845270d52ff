import { execFileSync } from 'node:child_process';
import { mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { mountAt, mounts, parseMounts } from '../../fs/mounts.js';
import { temporaryDirectory } from '../helpers/temporary.js';

/** What `findmnt -J` prints. */
interface Listing {
  readonly filesystems: readonly Readonly<Record<string, string>>[];
}

test('a line of mountinfo is taken apart, escapes and optional fields included', (t) => {
  const lines = [
    String.raw`36 35 98:0 /root /a\040b\134\011c rw,noatime master:1 propagate_from:2 - ext3 /dev/ro\012ot rw,errors=continue`,
    '91 29 0:44 / /mnt rw - fuse.cas-mount /srv/st\xc3\xa4te rw,user_id=0',
  ];
  t.deepEqual(parseMounts(`${lines.join('\n')}\n`), [
    { id: 36, mountpoint: '/a b\\\tc', type: 'ext3', source: '/dev/ro\not', major: 98, minor: 0 },
    { id: 91, mountpoint: '/mnt', type: 'fuse.cas-mount', source: '/srv/stäte', major: 0, minor: 44 },
  ]);
});

test('mounts are those of findmnt, and the topmost on a path is found, also through a symbolic link above it', (t) => {
  const directory = temporaryDirectory(t);
  const path = join(directory, 'a mount');
  mkdirSync(path);
  symlinkSync(directory, join(directory, 'link'));
  t.is(mountAt(path), undefined);
  for (const source of ['lower', 'upper']) {
    execFileSync('mount', ['-t', 'tmpfs', source, path]);
    t.teardown(() => execFileSync('umount', [path]));
  }
  const columns = ['-J', '-o', 'TARGET,FSTYPE,SOURCE,MAJ:MIN', '--mountpoint', path];
  const { filesystems } = JSON.parse(execFileSync('findmnt', columns, { encoding: 'utf8' })) as Listing;
  const found = mounts().filter(({ mountpoint }) => mountpoint === path);
  t.deepEqual(
    found.map(({ mountpoint, type, source, major, minor }) => ({
      target: mountpoint,
      fstype: type,
      source,
      'maj:min': `${major}:${minor}`,
    })),
    filesystems,
  );
  t.is(mountAt(path)?.source, 'upper');
  t.is(mountAt(join(directory, 'link', 'a mount'))?.source, 'upper');
  t.is(mountAt('/')?.mountpoint, '/');
});
