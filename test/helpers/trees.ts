import type { ExecutionContext } from 'ava';
import type { FileSystem } from '../../fs/filesystem.js';
import { mountTree } from '../../fs/tree.js';
import { temporaryStore, type TemporaryStore } from './stores.js';

/** The tree of a store of the test's own, without a mount. */
export interface TemporaryTree {
  readonly opened: TemporaryStore;
  /** The tree as it is now; another one after {@link restart}. */
  readonly fs: FileSystem;
  restart(): Promise<void>;
}

/** Builds the tree of a new store; both end with the test. */
export async function temporaryTree(t: ExecutionContext): Promise<TemporaryTree> {
  const opened = await temporaryStore(t);
  const build = (): FileSystem =>
    mountTree(opened.store, { version: 'test', stats: () => ({ requests: 1 }) }).filesystem;
  let fs = build();
  t.teardown(() => fs.close());
  return {
    opened,
    get fs() {
      return fs;
    },
    restart: async () => {
      await fs.close();
      await opened.reopen();
      fs = build();
    },
  };
}
