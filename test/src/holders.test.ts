import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import test from 'ava';
import { findHolders } from '../../src/holders.js';

interface Process {
  readonly cwd?: string;
  readonly root?: string;
  readonly fds?: readonly string[];
  readonly maps?: string;
}

/** A directory like /proc. */
function procOf(processes: Readonly<Record<string, Process>>): string {
  const proc = mkdtempSync(path.join(os.tmpdir(), 'cas-mount-proc-'));
  for (const [pid, { cwd = '/', root = '/', fds = [], maps = '' }] of Object.entries(processes)) {
    const directory = path.join(proc, pid);
    mkdirSync(path.join(directory, 'fd'), { recursive: true });
    symlinkSync(cwd, path.join(directory, 'cwd'));
    symlinkSync(root, path.join(directory, 'root'));
    fds.forEach((target, fd) => symlinkSync(target, path.join(directory, 'fd', `${fd}`)));
    writeFileSync(path.join(directory, 'maps'), maps);
    writeFileSync(path.join(directory, 'comm'), `command-${pid}\n`);
  }
  return proc;
}

test('a mount is held by working directories, roots, open and mapped files, and by nothing else', async (t) => {
  const mapped =
    '7f0000000000-7f0000001000 r--p 00000000 00:29 12    /mnt/cas/blobs/a b\n' +
    '7f0000002000-7f0000003000 rw-p 00000000 00:00 0 \n' +
    '7f0000004000-7f0000005000 r-xp 00000000 fe:00 99    /usr/lib/x.so\n';
  const proc = procOf({
    1: {},
    20: { cwd: '/mnt/cas/ingest' },
    21: { root: '/mnt/cas' },
    22: { fds: ['/dev/null', '/mnt/cas/ingest/x (deleted)', '/mnt/cas/ingest/x (deleted)', 'pipe:[1]'] },
    23: { maps: mapped },
    24: { cwd: '/mnt/castle', fds: ['/mnt/cas2/x'] },
    self: { cwd: '/mnt/cas' },
  });
  t.teardown(() => rmSync(proc, { recursive: true }));
  const holders = await findHolders('/mnt/cas', proc);
  t.deepEqual(
    holders.sort((one, other) => one.pid - other.pid),
    [
      { pid: 20, command: 'command-20', paths: ['/mnt/cas/ingest'] },
      { pid: 21, command: 'command-21', paths: ['/mnt/cas'] },
      { pid: 22, command: 'command-22', paths: ['/mnt/cas/ingest/x (deleted)'] },
      { pid: 23, command: 'command-23', paths: ['/mnt/cas/blobs/a b'] },
    ],
  );
});

test('a process that ends meanwhile, or may not be looked at, is passed over', async (t) => {
  const proc = procOf({ 30: { cwd: '/mnt/cas' } });
  t.teardown(() => rmSync(proc, { recursive: true }));
  mkdirSync(path.join(proc, '31'));
  t.deepEqual(
    (await findHolders('/mnt/cas', proc)).map(({ pid }) => pid),
    [30],
  );
});
