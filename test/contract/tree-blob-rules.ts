import { constants } from 'node:fs';
import { hexOf } from '../../store/digest.js';
import { errnoFrom } from '../helpers/errno.js';
import type { PathOperations } from './path-operations.js';
import type { Case, Rules } from './suite.js';
import { contentOf, file } from './tree-ingest-rules.js';
import { blobPath } from './tree-subject.js';

const { O_CREAT, O_EXCL, O_RDONLY, O_RDWR, O_TRUNC, O_WRONLY, S_IFREG } = constants;
const RENAME_NOREPLACE = 1;

/** Commits `content`; the path of its blob. */
async function committed(check: Case<PathOperations>, content: Uint8Array): Promise<string> {
  const path = `ingest/${check.ref()}`;
  const blob = blobPath(await check.digest(content));
  await file(check, path, content);
  await check.subject.rename(path, blob);
  return blob;
}

/** What system calls do with blobs. */
export const treeBlobRules: Rules<PathOperations> = {
  'nothing changes a blob': async (check) => {
    const { t, subject } = check;
    const content = check.bytes(3000);
    const blob = await committed(check, content);
    for (const flags of [O_WRONLY, O_RDWR, O_RDWR | O_CREAT])
      t.is(await errnoFrom(() => subject.open(blob, flags)), 'EROFS', `flags ${flags}`);
    t.is(await errnoFrom(() => subject.open(blob, O_RDWR | O_CREAT | O_EXCL)), 'EEXIST');
    t.is(await errnoFrom(() => subject.truncate(blob, 0)), 'EROFS');
    t.is(await errnoFrom(() => subject.truncate(blob, 3000)), 'EROFS');
    for (const mode of [0o644, 0o222, 0o4444, 0o777])
      t.is(await errnoFrom(() => subject.chmod(blob, mode)), 'EROFS', mode.toString(8));
    await subject.chmod(blob, 0o444);
    await subject.chmod(blob, 0o400);
    t.is(await errnoFrom(() => subject.chown(blob, 12_345, 12_345)), 'EROFS');
    t.is(await errnoFrom(() => subject.rename(blob, `ingest/${check.ref()}`)), 'EROFS');
    t.is(await errnoFrom(() => subject.rename(blob, `blobs/sha256/${'0'.repeat(64)}`)), 'EROFS');
    t.is(await errnoFrom(() => subject.link(blob, `ingest/${check.ref()}`)), 'EPERM');
    t.like(await subject.stat(blob), { mode: S_IFREG | 0o444, size: 3000 });
    check.same(await contentOf(check, blob), content);
  },

  'the times of a blob can be set, to the nanosecond': async (check) => {
    const { t, subject } = check;
    const blob = await committed(check, check.bytes(10));
    await subject.utimes(blob, 1n, 1_600_000_000_987_654_321n);
    t.is((await subject.stat(blob)).mtime, 1_600_000_000_987_654_321n);
  },

  'a blob has the same inode number and attributes after a restart': async (check) => {
    const { t, subject } = check;
    const blob = await committed(check, check.bytes(10));
    const before = await subject.stat(blob);
    await subject.restart();
    t.deepEqual(await subject.stat(blob), before);
  },

  'a blob tells its digest and the time of its commit': async (check) => {
    const { t, subject } = check;
    const content = check.bytes(10);
    const blob = await committed(check, content);
    t.is(await subject.getxattr(blob, 'user.cas.digest'), await check.digest(content));
    const committedAt = Date.parse(await subject.getxattr(blob, 'user.cas.committed'));
    t.is(BigInt(committedAt), (await subject.stat(blob)).mtime / 1_000_000n);
    const names = await subject.listxattr(blob);
    t.true(names.includes('user.cas.digest') && names.includes('user.cas.committed'));
    t.is(await errnoFrom(() => subject.setxattr(blob, 'user.cas.digest', 'x')), 'EPERM');
    t.is(await errnoFrom(() => subject.setxattr(blob, 'user.other', 'x')), 'EOPNOTSUPP');
    t.is(await errnoFrom(() => subject.getxattr(blob, 'user.cas.label.none')), 'ENODATA');
  },

  'RENAME_NOREPLACE onto a blob keeps the ingest': async (check) => {
    const { t, subject } = check;
    const content = check.bytes(100);
    const blob = await committed(check, content);
    const path = `ingest/${check.ref()}`;
    await file(check, path, content);
    t.is(await errnoFrom(() => subject.rename(path, blob, RENAME_NOREPLACE)), 'EEXIST');
    check.same(await contentOf(check, path), content);
    await subject.rename(path, blob);
    t.is(await errnoFrom(() => subject.stat(path)), 'ENOENT');
  },

  'a file made under its digest is a blob once it is closed': async (check) => {
    const { t, subject } = check;
    const content = check.bytes(5000);
    const blob = blobPath(await check.digest(content));
    const writer = await subject.open(blob, O_WRONLY | O_CREAT | O_TRUNC);
    await writer.write(content.subarray(0, 2000), 0);
    t.is(await errnoFrom(() => subject.stat(blob)), 'ENOENT');
    t.false((await subject.readdir('blobs/sha256')).includes(blob.slice('blobs/sha256/'.length)));
    await writer.write(content.subarray(2000), 2000);
    await writer.close();
    check.same(await contentOf(check, blob), content);
    t.like(await subject.stat(blob), { mode: S_IFREG | 0o444, size: 5000 });
  },

  'a file made under another digest than its own fails when it is closed, and leaves nothing': async (
    check,
  ) => {
    const { t, subject } = check;
    const content = check.bytes(5000);
    const digest = await check.digest(content);
    const blob = blobPath(digest);
    const writer = await subject.open(blob, O_WRONLY | O_CREAT);
    await writer.write(content.subarray(1), 0);
    t.is(await errnoFrom(() => writer.close()), 'EBADMSG');
    t.is(await errnoFrom(() => subject.stat(blob)), 'ENOENT');
    t.false((await subject.readdir('blobs/sha256')).includes(hexOf(digest)));
    const again = await errnoFrom(async () => (await subject.open(blob, O_WRONLY | O_CREAT)).close());
    t.is(again, 'EBADMSG', 'an empty file is not the content either');
  },

  'a blob is rewritten beside it: the right bytes change nothing, others are refused by close': async (
    check,
  ) => {
    const { t, subject } = check;
    const content = check.bytes(3000);
    const blob = await committed(check, content);
    const before = await subject.stat(blob);
    const reader = await subject.open(blob, O_RDONLY);
    for (const flags of [O_WRONLY | O_TRUNC, O_RDWR | O_TRUNC, O_WRONLY | O_CREAT | O_TRUNC]) {
      const [right, wrong] = [await subject.open(blob, flags), await subject.open(blob, flags)];
      for (const writer of [right, wrong]) t.is((await writer.stat()).size, 0);
      await wrong.write(content.subarray(1), 0);
      await right.write(content, 0);
      t.deepEqual(await subject.stat(blob), before);
      check.same(await reader.read(3000, 0), content);
      t.is(await errnoFrom(() => wrong.close()), 'EBADMSG');
      await right.close();
    }
    await reader.close();
    t.deepEqual(await subject.stat(blob), before);
    const names = await subject.readdir('blobs/sha256');
    t.deepEqual(
      names.filter((name) => blob.endsWith(name.slice(-60))),
      [blob.slice('blobs/sha256/'.length)],
    );
    check.same(await contentOf(check, blob), content);
  },

  'who writes under one digest at the same time writes a file of their own': async (check) => {
    const { t, subject } = check;
    const content = check.bytes(50);
    const blob = blobPath(await check.digest(content));
    const first = await subject.open(blob, O_WRONLY | O_CREAT);
    const second = await subject.open(blob, O_WRONLY | O_CREAT);
    await first.write(content, 0);
    await second.write(content.subarray(10), 10);
    t.is(await errnoFrom(() => second.close()), 'EBADMSG');
    const path = `ingest/${check.ref()}`;
    await file(check, path, content);
    await subject.rename(path, blob);
    await first.close();
    check.same(await contentOf(check, blob), content);
  },

  'a blob that is removed while it is read is read to its end': async (check) => {
    const { t, subject } = check;
    const content = check.bytes(5000);
    const blob = await committed(check, content);
    const reader = await subject.open(blob, O_RDONLY);
    await subject.unlink(blob);
    check.same(await reader.read(5000, 0), content);
    await reader.close();
    t.is(await errnoFrom(() => subject.open(blob, O_RDONLY)), 'ENOENT');
  },

  'statfs tells of the disk below': async ({ t, subject }) => {
    t.true((await subject.freeBytes()) > 0);
  },
};
