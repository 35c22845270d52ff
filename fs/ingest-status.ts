import type { Named } from '../store/ingest/ingests.js';
import { statusJsonOf } from '../store/ingest/status-json.js';
import type { Store } from '../store/store.js';
import { FsError } from './errors.js';
import type { Stands, StatusSource } from './status-directory.js';

/** The status of ingests: of those in `ingest/` from the directory `''`, of those beside it from `/`. */
export function ingestStatus({ ingests }: Store): StatusSource {
  const children = async (directory: string): Promise<ReadonlyMap<string, Named>> => {
    await ingests.load();
    return ingests.children(directory);
  };
  return {
    at: async (directory, name) => standsOf((await children(directory)).get(name)),
    names: async (directory) =>
      [...(await children(directory))].map(([name, named]) => [name, standsOf(named) ?? 'file'] as const),
    status: async (ref) => {
      const ingest = await ingests.find(ref);
      if (ingest === undefined) throw new FsError('ENOENT');
      return statusJsonOf(ingest);
    },
  };
}

function standsOf(named: Named | undefined): Stands | undefined {
  if (named === undefined) return undefined;
  return named === 'directory' ? 'directory' : 'file';
}
