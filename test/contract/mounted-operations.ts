import fs from 'node:fs';
import { bind } from '../../store/libc.js';
import type { OpenFile, Path, PathOperations, PathStat } from './path-operations.js';

const { promises } = fs;

/*
 * node:fs has no extended attributes, no flags for rename, and times only to the millisecond. All calls run on
 * the thread pool, so that a mount that hangs leaves the test's timer running.
 */
const AT_FDCWD = -100;
const renameat2 = bind('int renameat2(int, const void*, int, const void*, unsigned int)');
const utimensat = bind('int utimensat(int, const void*, const void*, int)');
const listxattr = bind('long listxattr(const void*, void*, size_t)');
const getxattr = bind('long getxattr(const void*, const char*, void*, size_t)');
const setxattr = bind('int setxattr(const void*, const char*, const void*, size_t, int)');
const removexattr = bind('int removexattr(const void*, const char*)');
const VALUE_MAX = 4096;

/** System calls on the tree mounted at `mountpoint`; `restart` unmounts it and mounts it again. */
export function mountedOperations(mountpoint: string, restart: () => Promise<void>): PathOperations {
  const at = (path: Path): Buffer =>
    Buffer.concat([Buffer.from(`${mountpoint}/`), Buffer.from(path as string)]);
  const native = (path: Path): Buffer => Buffer.concat([at(path), Buffer.alloc(1)]);
  return {
    open: async (path, flags, mode = 0o644) => openFile(await promises.open(at(path), flags, mode)),
    stat: async (path) => statOf(await promises.lstat(at(path), { bigint: true })),
    readdir: (path) => promises.readdir(at(path), 'utf8'),
    mkdir: (path) => promises.mkdir(at(path), 0o755),
    rmdir: (path) => promises.rmdir(at(path)),
    unlink: (path) => promises.unlink(at(path)),
    rename: async (path, to, flags = 0) => {
      await renameat2.later(AT_FDCWD, native(path), AT_FDCWD, native(to), flags);
    },
    link: (path, to) => promises.link(at(path), at(to)),
    symlink: (target, path) => promises.symlink(target, at(path)),
    truncate: async (path, size) => promises.truncate(at(path).toString(), size),
    chmod: (path, mode) => promises.chmod(at(path), mode),
    chown: (path, uid, gid) => promises.chown(at(path), uid, gid),
    utimes: async (path, ...times) => {
      const timespecs = Buffer.alloc(32);
      times.forEach((time, index) => {
        timespecs.writeBigInt64LE(time / 1_000_000_000n, 16 * index);
        timespecs.writeBigInt64LE(time % 1_000_000_000n, 16 * index + 8);
      });
      await utimensat.later(AT_FDCWD, native(path), timespecs, 0);
    },
    listxattr: async (path) => {
      const names = Buffer.alloc(VALUE_MAX);
      const size = await listxattr.later(native(path), names, names.length);
      return names
        .toString('utf8', 0, size)
        .split('\0')
        .filter((name) => name !== '');
    },
    getxattr: async (path, name) => {
      const value = Buffer.alloc(VALUE_MAX);
      return value.toString('utf8', 0, await getxattr.later(native(path), name, value, value.length));
    },
    setxattr: async (path, name, value) => {
      const bytes = Buffer.from(value);
      await setxattr.later(native(path), name, bytes, bytes.length, 0);
    },
    removexattr: async (path, name) => {
      await removexattr.later(native(path), name);
    },
    freeBytes: async () => {
      const { bfree, bsize } = await promises.statfs(mountpoint);
      return bfree * bsize;
    },
    restart,
  };
}

function openFile(file: fs.promises.FileHandle): OpenFile {
  const write = async (data: Uint8Array, offset: number): Promise<void> => {
    for (let done = 0; done < data.length;)
      done += (await file.write(data, done, data.length - done, offset + done)).bytesWritten;
  };
  return {
    write,
    append: async (data) => write(data, (await file.stat()).size),
    read: async (length, offset) => {
      const bytes = Buffer.alloc(length);
      const { bytesRead } = await file.read(bytes, 0, length, offset);
      return bytes.subarray(0, bytesRead);
    },
    truncate: (size) => file.truncate(size),
    chmod: (mode) => file.chmod(mode),
    stat: async () => statOf(await file.stat({ bigint: true })),
    sync: () => file.sync(),
    close: () => file.close(),
  };
}

function statOf({ ino, mode, nlink, size, uid, gid, mtimeNs, ctimeNs }: fs.BigIntStats): PathStat {
  return {
    ino: Number(ino),
    mode: Number(mode),
    nlink: Number(nlink),
    size: Number(size),
    uid: Number(uid),
    gid: Number(gid),
    mtime: mtimeNs,
    ctime: ctimeNs,
  };
}
