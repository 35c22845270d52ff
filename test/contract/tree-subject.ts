import { constants } from 'node:fs';
import { algorithmOf, hexOf, parseDigest } from '../../store/digest.js';
import { errnoNameOf } from '../helpers/errno.js';
import type { PathOperations } from './path-operations.js';
import type { Subject } from './subject.js';

const { O_CREAT, O_RDONLY, O_RDWR, O_TRUNC } = constants;
const LABEL = 'user.cas.label.';

/** The contract's view of a store through its tree, mounted or not. */
export function treeSubject(tree: PathOperations): Subject {
  const read = async (path: string, length?: number, offset = 0): Promise<Buffer> => {
    const file = await tree.open(path, O_RDONLY);
    try {
      return await file.read(length ?? (await file.stat()).size, offset);
    } finally {
      await file.close();
    }
  };
  /** The value of an attribute; undefined where it is not set. */
  const attribute = async (path: string, name: string): Promise<string | undefined> => {
    try {
      return await tree.getxattr(path, `user.cas.${name}`);
    } catch (error) {
      if (errnoNameOf(error) === 'ENODATA') return undefined;
      throw error;
    }
  };
  return {
    write: (ref, how = 'keep') =>
      tree.open(ingestPath(ref), O_RDWR | O_CREAT | (how === 'truncate' ? O_TRUNC : 0)),
    status: async (ref) => {
      const path = ingestPath(ref);
      const { size } = await tree.stat(path);
      // The digest is asked for first: it waits until all that was queued is hashed.
      const digest = await attribute(path, 'digest');
      const [offset, startedAt, updatedAt, total, expected, error] = await Promise.all(
        ['offset', 'started', 'updated', 'total', 'expected', 'error'].map((name) => attribute(path, name)),
      );
      return {
        size,
        digest: digest ?? '',
        offset: Number(offset),
        startedAt: startedAt ?? '',
        updatedAt: updatedAt ?? '',
        ...(total === undefined ? {} : { total: Number(total) }),
        ...(expected === undefined ? {} : { expected }),
        ...(error === undefined ? {} : { error }),
      };
    },
    list: () => tree.readdir('ingest'),
    readIngest: (ref) => read(ingestPath(ref)),
    declare: async (ref, declaration) => {
      for (const [name, value] of Object.entries(declaration) as [string, string | number | undefined][]) {
        const attribute = `user.cas.${name}`;
        if (value === undefined) await tree.removexattr(ingestPath(ref), attribute);
        else await tree.setxattr(ingestPath(ref), attribute, `${value}`);
      }
    },
    move: (ref, to) => tree.rename(ingestPath(ref), ingestPath(to)),
    abort: (ref) => tree.unlink(ingestPath(ref)),
    commit: (ref, digest) => tree.rename(ingestPath(ref), blobPath(digest)),
    link: (ref, digest) => tree.link(ingestPath(ref), blobPath(digest)),
    blobs: (algorithm) => tree.readdir(`blobs/${algorithm}`),
    blob: async (digest) => {
      const { size, mode, mtime, ctime } = await tree.stat(blobPath(digest));
      return { size, mode: mode & 0o7777, mtime, ctime };
    },
    readBlob: (digest, length, offset) => read(blobPath(digest), length, offset),
    removeBlob: (digest) => tree.unlink(blobPath(digest)),
    labels: async (digest) => {
      const names = (await tree.listxattr(blobPath(digest))).filter((name) => name.startsWith(LABEL));
      const labels = names.map(async (name) => [
        name.slice(LABEL.length),
        await tree.getxattr(blobPath(digest), name),
      ]);
      return Object.fromEntries(await Promise.all(labels)) as Record<string, string>;
    },
    setLabel: (digest, key, value) => tree.setxattr(blobPath(digest), LABEL + key, value),
    removeLabel: (digest, key) => tree.removexattr(blobPath(digest), LABEL + key),
    restart: () => tree.restart(),
  };
}

/** Where a ref stands in the tree. */
export function ingestPath(ref: string): string {
  return `ingest/${ref}`;
}

/** Where a digest stands in the tree. */
export function blobPath(digest: string): string {
  const parsed = parseDigest(digest);
  return `blobs/${algorithmOf(parsed)}/${hexOf(parsed)}`;
}
