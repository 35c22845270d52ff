import { promises } from 'node:fs';
import { join } from 'node:path';
import type { Level } from 'level';

/** LevelDB 1.20 as it is, of bytes. */
export type ByteLevel = Level<Buffer, Buffer>;

/*
 * LevelDB locks `LOCK` with fcntl(2), whose locks the kernel drops as soon as the process closes any descriptor of the
 * file. So nothing in this process may open LOCK, not even to read it. The lock that keeps others away is the store's.
 */
const LOCK = 'LOCK';

/**
 * Opens the LevelDB database in `directory`, or makes one where there must be none: where CURRENT is missing, LevelDB
 * would by default make an empty database over the old one and remove its tables.
 */
export async function openLevel(directory: string, how: 'open' | 'create'): Promise<ByteLevel> {
  // It takes 25 ms to load: when it is needed, and not before.
  const { Level } = await import('level');
  const create = how === 'create';
  const level = new Level<Buffer, Buffer>(directory, {
    keyEncoding: 'buffer',
    valueEncoding: 'buffer',
    createIfMissing: create,
    errorIfExists: create,
  });
  await level.open();
  return level;
}

/**
 * Reads every file of a database that is not open: LevelDB maps its tables, and a sector that cannot be read would be
 * a SIGBUS, at each start again.
 * @throws the system's EIO
 */
export async function readThrough(directory: string): Promise<void> {
  const chunk = Buffer.allocUnsafe(1 << 20);
  for (const name of await promises.readdir(directory)) {
    if (name === LOCK) continue;
    const file = await promises.open(join(directory, name));
    try {
      while ((await file.read(chunk, 0, chunk.length)).bytesRead > 0);
    } finally {
      await file.close();
    }
  }
}
