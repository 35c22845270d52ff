// Content to measure with. Blobs are laid into a store as plain files: that is its on-disk format.
import { createHash, randomBytes } from 'node:crypto';
import {
  chmodSync,
  chownSync,
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { mountCas } from './mounts.mjs';
import { USER } from './run.mjs';

const MEBIBYTE = 2 ** 20;

/** A store that cas-mount itself has made, or an empty directory of its form where cas-mount cannot run. */
export async function makeStore(context, name, { user = false } = {}) {
  const store = join(context.disk, name);
  mkdirSync(store, { mode: 0o700 });
  if (user) chownSync(store, USER, USER);
  try {
    await (await mountCas(context, store, { user })).unmount();
  } catch (error) {
    context.note(`${name}: ${error.message.split('\n')[0]}`);
  }
  if (!existsSync(join(store, 'blobs/sha256'))) {
    mkdirSync(join(store, 'blobs/sha256'), { recursive: true });
    if (user) for (const part of ['blobs', 'blobs/sha256']) chownSync(join(store, part), USER, USER);
  }
  return store;
}

/** Writes `bytes` incompressible bytes into `directory` and returns { path, hex }. */
export function makeFile(path, bytes) {
  const block = randomBytes(MEBIBYTE);
  const hash = createHash('sha256');
  const fd = openSync(path, 'w');
  for (let written = 0; written < bytes; written += MEBIBYTE) {
    block.writeUInt32LE(written / MEBIBYTE);
    hash.update(block);
    writeSync(fd, block);
  }
  closeSync(fd);
  return { path, hex: hash.digest('hex') };
}

/** The content that commit-loop.c gives to file `index`. */
export function smallContent(salt, index, size) {
  const content = Buffer.alloc(size);
  content.write(`${salt} ${index}\n`);
  return content;
}

export function sha256(content) {
  return createHash('sha256').update(content).digest('hex');
}

/** Lays `count` blobs of `size` bytes into `store`. */
export function layBlobs(store, salt, count, size) {
  for (let index = 0; index < count; index++) {
    const content = smallContent(salt, index, size);
    const path = join(store, 'blobs/sha256', sha256(content));
    writeFileSync(path, content, { mode: 0o444, flag: 'wx' });
  }
}

/** Makes `path` look committed: the mode and owner that cas-mount gives. */
export function seal(path, user) {
  chmodSync(path, 0o444);
  if (user) chownSync(path, USER, USER);
}
