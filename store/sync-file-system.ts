import { close, onPool, openDirectory } from './files.js';
import { bind } from './libc.js';
import { throwIfShutDown } from './shut-down.js';

const syncfs = bind('int syncfs(int fd)');
const syncAll = bind('int sync(void)');

/** A file system that much is about to be written to. */
export interface FileSystemSync {
  /**
   * Makes everything durable that was written to the file system.
   * @throws the system's error, also for what was written back, and lost, at any time since this was opened
   */
  sync(): Promise<void>;
  close(): Promise<void>;
}

/**
 * Prepares for syncing the file system of a directory. To be opened before the first write: syncfs(2) reports an error
 * of write-back only to descriptors that were open when it happened, unless nobody was told of it yet (Linux 5.8).
 * Where there is no syncfs(2), it is sync(2).
 */
export async function openFileSystemSync(directory: string): Promise<FileSystemSync> {
  const fd = await openDirectory(directory);
  return {
    async sync() {
      if (process.platform === 'linux') await onPool(syncfs.later(fd));
      else await onPool(syncAll.later());
      throwIfShutDown(fd);
    },
    close: () => close(fd),
  };
}
