import fs from 'node:fs';
import { type Algorithm, parseDigest } from '../../store/digest.js';
import { CasError, isCasError } from '../../store/errors.js';
import { close, read } from '../../store/files.js';
import type { Ingest } from '../../store/ingest/ingest.js';
import { algorithmFor } from '../../store/ingest/algorithm-for.js';
import type { Ingests } from '../../store/ingest/ingests.js';
import { getLabel, listLabels } from '../../store/labels.js';
import { parseRef, type Ref } from '../../store/ref.js';
import type { TemporaryStore } from '../helpers/stores.js';
import type { Subject, Writer } from './subject.js';

/** The contract's view of a store that is open in this process. */
export function storeSubject(opened: TemporaryStore): Subject {
  const find = async (ref: string): Promise<Ingest> => {
    const ingest = await opened.store.ingests.find(parseRef(ref));
    if (ingest === undefined) throw new CasError('INGEST_NOT_FOUND', { subject: ref });
    return ingest;
  };
  const path = (digest: string): string => opened.store.blobs.path(parseDigest(digest));
  return {
    write: async (ref, how = 'keep') => {
      const ingest = await openForWriting(opened.store.ingests, parseRef(ref));
      if (how === 'truncate') await ingest.truncate(0);
      return writerOf(ingest);
    },
    status: async (ref) => {
      const ingest = await find(ref);
      const digest = await ingest.prefixDigest();
      const { size, offset, startedAt, updatedAt, total, expected, error } = ingest.status;
      return {
        size,
        offset,
        digest,
        startedAt: startedAt.toISOString(),
        updatedAt: updatedAt.toISOString(),
        ...(total === undefined ? {} : { total }),
        ...(expected === undefined ? {} : { expected }),
        ...(error === undefined ? {} : { error }),
      };
    },
    list: async () => (await opened.store.ingests.list()).map(({ ref }) => ref),
    readIngest: async (ref) => {
      const ingest = await find(ref);
      const bytes = Buffer.alloc(ingest.size);
      ingest.retain();
      try {
        return bytes.subarray(0, await ingest.read(bytes, 0));
      } finally {
        ingest.release();
      }
    },
    declare: async (ref, { expected, ...declaration }) => {
      const digest = expected === undefined ? undefined : parseDigest(expected);
      await (await find(ref)).expect({ ...declaration, ...(digest && { expected: digest }) });
    },
    move: async (ref, to) => opened.store.ingests.rename(await find(ref), parseRef(to)),
    abort: async (ref) => {
      await opened.store.ingests.remove(await find(ref));
    },
    commit: async (ref, digest) => {
      await opened.store.ingests.commit(await find(ref), { digest: parseDigest(digest) });
    },
    link: async (ref, digest) => {
      await opened.store.ingests.commit(await find(ref), { digest: parseDigest(digest), keep: true });
    },
    blobs: async (algorithm: Algorithm) => {
      const found: string[] = [];
      for await (const names of opened.store.blobs.names(algorithm))
        found.push(...names.map(({ name }) => name));
      return found;
    },
    blob: (digest) => {
      const stats = opened.store.blobs.stat(parseDigest(digest));
      if (stats === undefined) return Promise.reject(new CasError('BLOB_NOT_FOUND', { subject: digest }));
      const { size, mode, mtimeNs, ctimeNs } = stats;
      return Promise.resolve({
        size: Number(size),
        mode: Number(mode) & 0o7777,
        mtime: mtimeNs,
        ctime: ctimeNs,
      });
    },
    readBlob: async (digest, length, offset = 0) => {
      const fd = await opened.store.blobs.open(parseDigest(digest));
      try {
        const bytes = Buffer.alloc(length ?? fs.fstatSync(fd).size);
        return bytes.subarray(0, await read(fd, bytes, offset));
      } finally {
        await close(fd);
      }
    },
    removeBlob: (digest) => opened.store.blobs.remove(parseDigest(digest)),
    labels: (digest) => {
      const keys = listLabels(path(digest));
      const values = keys.map((key) => [key, Buffer.from(getLabel(path(digest), key) ?? []).toString()]);
      return Promise.resolve(Object.fromEntries(values) as Record<string, string>);
    },
    setLabel: (digest, key, value) =>
      opened.store.labels.set(parseDigest(digest), key, Buffer.from(value), 0),
    removeLabel: (digest, key) => opened.store.labels.remove(parseDigest(digest), key),
    restart: async () => {
      await opened.reopen();
    },
  };
}

async function openForWriting(ingests: Ingests, ref: Ref): Promise<Ingest> {
  try {
    return await ingests.create(ref, algorithmFor({ ref }));
  } catch (error) {
    const found = await ingests.find(ref);
    if (found === undefined || !isCasError(error, 'INGEST_EXISTS')) throw error;
    found.lock();
    return found;
  }
}

function writerOf(ingest: Ingest): Writer {
  const write = async (data: Uint8Array, offset: number): Promise<void> => {
    for (let done = 0; done < data.length;) {
      const { size, held } = await ingest.write(data.subarray(done), offset + done);
      await held;
      done += size;
    }
  };
  return {
    write,
    append: (data) => write(data, ingest.size),
    truncate: (size) => ingest.truncate(size),
    sync: () => ingest.persist(),
    close: () => {
      ingest.unlock();
      return Promise.resolve();
    },
  };
}
