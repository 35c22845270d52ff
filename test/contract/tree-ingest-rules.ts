import { constants } from 'node:fs';
import { errnoFrom } from '../helpers/errno.js';
import type { OpenFile, PathOperations } from './path-operations.js';
import type { Case, Rules } from './suite.js';
import { blobPath } from './tree-subject.js';

const { O_CREAT, O_EXCL, O_RDONLY, O_RDWR, O_TRUNC, O_WRONLY, S_IFDIR, S_IFMT, S_IFREG } = constants;
const RENAME_NOREPLACE = 1;
const RENAME_EXCHANGE = 2;

/** Makes a file with `content` that nobody has open. */
export async function file(
  { subject }: Case<PathOperations>,
  path: string,
  content: Uint8Array,
): Promise<void> {
  const open = await subject.open(path, O_WRONLY | O_CREAT | O_TRUNC);
  await open.write(content, 0);
  await open.close();
}

/** All of a file. */
export async function contentOf({ subject }: Case<PathOperations>, path: string): Promise<Buffer> {
  const open = await subject.open(path, O_RDONLY);
  const { size } = await open.stat();
  const content = await open.read(size + 1, 0);
  await open.close();
  return content;
}

/** What system calls do with files that are no blobs yet. */
export const treeIngestRules: Rules<PathOperations> = {
  'a file appears when it is made, with the permissions it was made with': async ({
    t,
    subject,
    ...check
  }) => {
    const path = `ingest/${check.ref()}`;
    const made = await subject.open(path, O_RDWR | O_CREAT | O_EXCL, 0o640);
    await made.write(Buffer.from('abc'), 0);
    const stat = await subject.stat(path);
    t.is(stat.mode, S_IFREG | 0o640);
    t.is(stat.size, 3);
    t.is(stat.nlink, 1);
    check.same(await made.read(10, 1), Buffer.from('bc'));
    t.is(await errnoFrom(() => subject.open(path, O_RDWR | O_CREAT | O_EXCL)), 'EEXIST');
    await made.close();
    t.is(await errnoFrom(() => subject.open(`${path}-absent`, O_RDONLY)), 'ENOENT');
  },

  'modes and times are kept as they are set, times to the nanosecond': async (check) => {
    const { t, subject } = check;
    const path = `ingest/${check.ref()}`;
    await file(check, path, check.bytes(10));
    await subject.chmod(path, 0o600);
    await subject.utimes(path, 1_000_000_007n, 1_234_567_890_123_456_789n);
    const stat = await subject.stat(path);
    t.is(stat.mode & 0o7777, 0o600);
    t.is(stat.mtime, 1_234_567_890_123_456_789n);
    await subject.chmod(path, 0o6755);
    t.is((await subject.stat(path)).mode & 0o7777, 0o755, 'no set-id bits');
  },

  'truncate by path is refused while another writes': async (check) => {
    const { t, subject } = check;
    const path = `ingest/${check.ref()}`;
    const writer = await subject.open(path, O_WRONLY | O_CREAT);
    await writer.write(check.bytes(100), 0);
    t.is(await errnoFrom(() => subject.truncate(path, 10)), 'EBUSY');
    await writer.truncate(50);
    await writer.close();
    await subject.truncate(path, 10);
    t.is((await subject.stat(path)).size, 10);
  },

  'a reader goes on reading what it opened after the commit, and what it was after an unlink': async (
    check,
  ) => {
    const { subject } = check;
    const contents = [check.bytes(5000), check.bytes(5000)];
    const readers: OpenFile[] = [];
    const paths = contents.map(() => `ingest/${check.ref()}`);
    for (const [index, path] of paths.entries()) {
      await file(check, path, contents[index] ?? Buffer.alloc(0));
      readers.push(await subject.open(path, O_RDONLY));
    }
    const [committed = '', removed = ''] = paths;
    await subject.rename(committed, blobPath(await check.digest(contents[0] ?? Buffer.alloc(0))));
    await subject.unlink(removed);
    for (const [index, reader] of readers.entries()) {
      check.same(await reader.read(5000, 0), contents[index]);
      await reader.close();
    }
  },

  'the mode of a file cannot be changed through a descriptor once it is a blob': async (check) => {
    const { t, subject } = check;
    const content = check.bytes(100);
    const blob = blobPath(await check.digest(content));
    const path = `ingest/${check.ref()}`;
    const writer = await subject.open(path, O_WRONLY | O_CREAT);
    await writer.write(content, 0);
    await subject.rename(path, blob);
    t.not(await errnoFrom(() => writer.chmod(0o666)), 'OK');
    await writer.close();
    t.is((await subject.stat(blob)).mode & 0o7777, 0o444);
  },

  'directories are made, filled, moved with all that is in them, and removed when empty': async (check) => {
    const { t, subject } = check;
    const content = check.bytes(1000);
    const [from, to] = [`ingest/${check.ref()}`, `ingest/${check.ref()}`];
    await subject.mkdir(from);
    t.is(await errnoFrom(() => subject.mkdir(from)), 'EEXIST');
    await subject.mkdir(`${from}/a`);
    await file(check, `${from}/a/x`, content);
    t.is((await subject.stat(`${from}/a`)).mode & S_IFMT, S_IFDIR);
    t.deepEqual(await subject.readdir(from), ['a']);
    t.is(await errnoFrom(() => subject.rmdir(from)), 'ENOTEMPTY');
    t.is(await errnoFrom(() => subject.rmdir(`${from}/a/x`)), 'ENOTDIR');
    t.is(await errnoFrom(() => subject.unlink(`${from}/a`)), 'EISDIR');
    await subject.rename(from, to);
    t.is(await errnoFrom(() => subject.stat(from)), 'ENOENT');
    t.deepEqual(await subject.readdir(`${to}/a`), ['x']);
    check.same(await contentOf(check, `${to}/a/x`), content);
    await subject.rename(`${to}/a/x`, blobPath(await check.digest(content)));
    await subject.rmdir(`${to}/a`);
    await subject.rmdir(to);
    t.is(await errnoFrom(() => subject.stat(to)), 'ENOENT');
  },

  "containerd's small files are no ingests, and stay where containerd looks for them": async (check) => {
    const { t, subject } = check;
    const content = check.bytes(5000);
    const blob = blobPath(await check.digest(content));
    const directory = `ingest/${blobPath(await check.digest(check.bytes(20))).slice(-64)}`;
    const other = `ingest/${check.ref()}`;
    await subject.mkdir(directory);
    await file(check, `${directory}/ref`, Buffer.from('1/default/x'));
    for (const time of ['2024-05-06T07:08:09.000000001Z', '2024-05-06T07:08:09.000000002Z']) {
      await file(check, `${directory}/updatedat.tmp`, Buffer.from(time));
      await subject.rename(`${directory}/updatedat.tmp`, `${directory}/updatedat`);
      check.same(await contentOf(check, `${directory}/updatedat`), Buffer.from(time));
    }
    await file(check, `${directory}/data`, content.subarray(0, 1000));
    for (const path of ['/ref', '/data', ''])
      t.is(await errnoFrom(() => subject.rename(directory + path, other)), 'EXDEV', path);
    await file(check, other, content);
    t.is(await errnoFrom(() => subject.rename(other, `${directory}/ref`)), 'EXDEV');
    await subject.restart();
    t.deepEqual((await subject.readdir(directory)).sort(), ['data', 'ref', 'updatedat']);
    t.is((await subject.readdir('ingest')).filter((name) => directory.endsWith(name)).length, 1);
    check.same(await contentOf(check, `${directory}/ref`), Buffer.from('1/default/x'));
    const rest = await subject.open(`${directory}/data`, O_WRONLY | O_CREAT);
    await rest.write(content.subarray(1000), 1000);
    await rest.sync();
    await rest.close();
    await subject.rename(`${directory}/data`, blob);
    check.same(await contentOf(check, blob), content);
    t.is(await errnoFrom(() => subject.rmdir(directory)), 'ENOTEMPTY');
    for (const name of await subject.readdir(directory)) await subject.unlink(`${directory}/${name}`);
    await subject.rmdir(directory);
    t.is(await errnoFrom(() => subject.stat(directory)), 'ENOENT');
    await subject.unlink(other);
  },

  'directories outlive a restart, empty or not': async (check) => {
    const { t, subject } = check;
    const directory = `ingest/${check.ref()}`;
    await subject.mkdir(directory);
    await subject.mkdir(`${directory}/empty`);
    await file(check, `${directory}/x`, check.bytes(10));
    await subject.restart();
    t.deepEqual((await subject.readdir(directory)).sort(), ['empty', 'x']);
    t.deepEqual(await subject.readdir(`${directory}/empty`), []);
  },

  'a directory cannot move into itself, nor over what is no empty directory': async (check) => {
    const { t, subject } = check;
    const [a, b] = [`ingest/${check.ref()}`, `ingest/${check.ref()}`];
    await subject.mkdir(a);
    await subject.mkdir(b);
    await file(check, `${b}/x`, check.bytes(10));
    t.is(await errnoFrom(() => subject.rename(a, `${a}/inside`)), 'EINVAL');
    t.is(await errnoFrom(() => subject.rename(a, b)), 'ENOTEMPTY');
    t.not(await errnoFrom(() => subject.rename(a, 'ingest')), 'OK');
    t.deepEqual(await subject.readdir(b), ['x']);
    await subject.rename(b, a);
    t.deepEqual(await subject.readdir(a), ['x']);
  },

  'flags of renameat2: no replacing, and no exchange': async (check) => {
    const { t, subject } = check;
    const [a, b] = [`ingest/${check.ref()}`, `ingest/${check.ref()}`];
    await file(check, a, Buffer.from('a'));
    await file(check, b, Buffer.from('b'));
    const free = check.renameFlags ? 'OK' : 'EINVAL';
    t.is(await errnoFrom(() => subject.rename(a, b, RENAME_NOREPLACE)), 'EEXIST');
    t.is(await errnoFrom(() => subject.rename(a, b, RENAME_EXCHANGE)), 'EINVAL');
    check.same(await contentOf(check, a), Buffer.from('a'));
    const other = `ingest/${check.ref()}`;
    t.is(await errnoFrom(() => subject.rename(a, other, RENAME_NOREPLACE)), free);
    await subject.rename(free === 'OK' ? other : a, b);
    check.same(await contentOf(check, b), Buffer.from('a'));
  },

  'links and symbolic links are no way into ingest': async (check) => {
    const { t, subject } = check;
    const path = `ingest/${check.ref()}`;
    await file(check, path, check.bytes(10));
    t.is(await errnoFrom(() => subject.link(path, `${path}-second`)), 'EPERM');
    t.is(await errnoFrom(() => subject.symlink('target', `${path}-link`)), 'EPERM');
  },

  'files made beside the fixed directories are ingests as well': async (check) => {
    const { t, subject } = check;
    const content = check.bytes(700);
    const path = `oci-put-blob${check.ref()}`;
    await file(check, path, content.subarray(0, 300));
    t.true((await subject.readdir('')).includes(path));
    await subject.restart();
    const writer = await subject.open(path, O_WRONLY);
    await writer.append(content.subarray(300));
    await writer.sync();
    await writer.chmod(0o644);
    await writer.close();
    await subject.rename(path, blobPath(await check.digest(content)));
    t.false((await subject.readdir('')).includes(path));
  },

  'expectations are set, read and withdrawn as extended attributes, the others only read': async (check) => {
    const { t, subject } = check;
    const path = `ingest/${check.ref()}`;
    await file(check, path, check.bytes(10));
    t.is(await errnoFrom(() => subject.getxattr(path, 'user.cas.total')), 'ENODATA');
    await subject.setxattr(path, 'user.cas.total', '10');
    t.is(await subject.getxattr(path, 'user.cas.total'), '10');
    const digest = await check.digest(check.bytes(1));
    await subject.setxattr(path, 'user.cas.expected', digest);
    t.is(await subject.getxattr(path, 'user.cas.expected'), digest);
    t.is(await subject.getxattr(path, 'user.cas.ref'), path.slice('ingest/'.length));
    const names = await subject.listxattr(path);
    t.true(['ref', 'offset', 'digest', 'total'].every((name) => names.includes(`user.cas.${name}`)));
    t.false(names.includes('user.cas.error'));
    for (const wrong of ['-1', '1.5', 'ten', '', '99999999999999999999'])
      t.is(await errnoFrom(() => subject.setxattr(path, 'user.cas.total', wrong)), 'EINVAL', wrong);
    for (const wrong of ['sha256:xyz', 'md5:d41d8cd98f00b204e9800998ecf8427e', digest.toUpperCase(), ''])
      t.is(await errnoFrom(() => subject.setxattr(path, 'user.cas.expected', wrong)), 'EINVAL', wrong);
    for (const name of ['ref', 'offset', 'digest', 'started', 'updated', 'error'])
      t.is(await errnoFrom(() => subject.setxattr(path, `user.cas.${name}`, 'x')), 'EPERM', name);
    t.is(await errnoFrom(() => subject.setxattr(path, 'user.other', 'x')), 'EOPNOTSUPP');
    await subject.removexattr(path, 'user.cas.total');
    t.is(await errnoFrom(() => subject.removexattr(path, 'user.cas.total')), 'ENODATA');
  },
};
