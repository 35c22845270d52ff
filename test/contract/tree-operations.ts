import { constants } from 'node:fs';
import { FsError } from '../../fs/errors.js';
import type { Entry } from '../../fs/answers.js';
import type { FileSystem } from '../../fs/filesystem.js';
import { type NodeId, ROOT_ID } from '../../fs/inodes.js';
import type { AttrChanges, Caller, Attr, Name } from '../../fs/node.js';
import { errnoNameOf } from '../helpers/errno.js';
import type { OpenFile, Path, PathOperations, PathStat } from './path-operations.js';

/** A caller as the daemon itself. */
export const CALLER: Caller = {
  uid: process.getuid?.() ?? 0,
  gid: process.getgid?.() ?? 0,
  pid: process.pid,
  umask: 0o022,
  signal: new AbortController().signal,
};

/**
 * System calls on a mounted tree without a mount: each path is looked up from the root, as the kernel does with
 * cold caches, and everything is forgotten at the end of the call, or when the file is closed.
 */
export function treeOperations(tree: () => FileSystem, restart: () => Promise<void>): PathOperations {
  /** Does something to the node at `path` while it is remembered. */
  const at = async <T>(path: Path, action: (id: NodeId) => Promise<T> | T): Promise<T> => {
    const fs = tree();
    const seen: NodeId[] = [];
    try {
      let id = ROOT_ID;
      for (const name of namesOf(path)) seen.push((id = (await fs.lookup(id, name, CALLER)).id));
      return await action(id);
    } finally {
      for (const id of seen) fs.forget(id, 1);
    }
  };
  const within = <T>(path: Path, action: (parent: NodeId, name: Name) => Promise<T> | T): Promise<T> => {
    const names = namesOf(path);
    const name = names.pop();
    if (name === undefined) throw new FsError('EBUSY');
    return at(pathOf(names), (parent) => action(parent, name));
  };
  const forgotten = (entry: Entry): void => tree().forget(entry.id, 1);
  const change = (path: Path, changes: AttrChanges): Promise<void> =>
    at(path, async (id) => {
      await tree().setattr(id, changes, CALLER);
    });
  const open = (path: Path, flags: number, mode: number): Promise<OpenFile> =>
    within(path, async (parent, name) => {
      const fs = tree();
      let found = await absentAsUndefined(fs.lookup(parent, name, CALLER));
      if (found === undefined) {
        if ((flags & constants.O_CREAT) === 0) throw new FsError('ENOENT');
        try {
          const { entry, opened } = await fs.create(parent, name, flags, mode, CALLER);
          return openFile(fs, entry.id, opened.handle);
        } catch (error) {
          // The kernel looks up and creates in one step; here another may have come between.
          if (errnoNameOf(error) !== 'EEXIST') throw error;
          found = await fs.lookup(parent, name, CALLER);
        }
      }
      try {
        if ((flags & constants.O_EXCL) !== 0) throw new FsError('EEXIST');
        const { handle } = await fs.open(found.id, flags, CALLER);
        return openFile(fs, found.id, handle);
      } catch (error) {
        fs.forget(found.id, 1);
        throw error;
      }
    });
  return {
    // As the kernel does, with each name looked up again.
    open: async (path, flags, mode = 0o644) => {
      try {
        return await open(path, flags, mode);
      } catch (error) {
        if (errnoNameOf(error) !== 'ESTALE') throw error;
        return open(path, flags, mode);
      }
    },
    stat: (path) => at(path, async (id) => statOf(await tree().getattr(id))),
    readdir: (path) => at(path, (id) => listNames(tree(), id)),
    mkdir: (path) =>
      within(path, async (parent, name) => forgotten(await tree().mkdir(parent, name, 0o755, CALLER))),
    rmdir: (path) => within(path, (parent, name) => tree().rmdir(parent, name, CALLER)),
    unlink: (path) => within(path, (parent, name) => tree().unlink(parent, name, CALLER)),
    rename: (path, to, flags = 0) =>
      within(path, (parent, name) =>
        within(to, (toParent, toName) => tree().rename(parent, name, toParent, toName, flags, CALLER)),
      ),
    link: (path, to) =>
      at(path, (id) =>
        within(to, async (parent, name) => forgotten(await tree().link(id, parent, name, CALLER))),
      ),
    symlink: (target, path) =>
      within(path, async (parent, name) =>
        forgotten(await tree().symlink(parent, name, target as Name, CALLER)),
      ),
    truncate: (path, size) => change(path, { size }),
    chmod: (path, mode) => change(path, { mode }),
    chown: (path, uid, gid) => change(path, { uid, gid }),
    utimes: (path, atime, mtime) => change(path, { atime, mtime }),
    listxattr: (path) => at(path, async (id) => [...(await tree().listxattr(id))]),
    getxattr: (path, name) => at(path, async (id) => Buffer.from(await tree().getxattr(id, name)).toString()),
    setxattr: (path, name, value) => at(path, (id) => tree().setxattr(id, name, Buffer.from(value), 0)),
    removexattr: (path, name) => at(path, (id) => tree().removexattr(id, name)),
    freeBytes: async () => {
      const { bfree, bsize } = await tree().statfs();
      return bfree * bsize;
    },
    restart,
  };
}

/** The names in a directory, without `.` and `..`, read in pieces as the kernel does. */
export async function listNames(fs: FileSystem, id: NodeId): Promise<string[]> {
  const handle = fs.opendir(id);
  const names: string[] = [];
  try {
    for (let offset = 0, before = -1; before !== offset;) {
      before = offset;
      let room = 100;
      await fs.readdir(handle, offset, ({ name }, next) => {
        if (room-- === 0) return false;
        names.push(Buffer.from(name, 'latin1').toString());
        offset = next;
        return true;
      });
    }
  } finally {
    await fs.releasedir(handle);
  }
  return names.filter((name) => name !== '.' && name !== '..');
}

function openFile(fs: FileSystem, id: NodeId, handle: number): OpenFile {
  const write = async (data: Uint8Array, offset: number): Promise<void> => {
    for (let done = 0; done < data.length;) {
      const { size, held } = await fs.write(handle, data.subarray(done), offset + done);
      await held;
      done += size;
    }
  };
  const setattr = async (changes: AttrChanges): Promise<void> => {
    await fs.setattr(id, changes, CALLER, handle);
  };
  return {
    write,
    append: async (data) => write(data, (await fs.getattr(id)).size),
    read: async (length, offset) => {
      const bytes = Buffer.alloc(length);
      return bytes.subarray(0, await fs.read(handle, bytes, offset));
    },
    truncate: (size) => setattr({ size }),
    chmod: (mode) => setattr({ mode }),
    stat: async () => statOf(await fs.getattr(id)),
    sync: async () => fs.fsync(handle, false),
    close: async () => {
      try {
        await fs.flush(handle, CALLER);
      } finally {
        await fs.release(handle);
        fs.forget(id, 1);
      }
    },
  };
}

async function absentAsUndefined(lookup: Promise<Entry>): Promise<Entry | undefined> {
  try {
    return await lookup;
  } catch (error) {
    if (error instanceof FsError && error.errno === 'ENOENT') return undefined;
    throw error;
  }
}

function statOf({ ino, mode, nlink, size, uid, gid, mtime, ctime }: Attr): PathStat {
  return { ino, mode, nlink, size, uid, gid, mtime, ctime };
}

function namesOf(path: Path): Name[] {
  const bytes = Buffer.from(path as string).toString('latin1');
  return bytes.split('/').filter((name) => name !== '') as Name[];
}

function pathOf(names: readonly Name[]): Path {
  return Buffer.from(names.join('/'), 'latin1');
}
