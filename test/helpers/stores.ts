import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { openStore, type Store, type StoreOptions } from '../../store/store.js';
import { temporaryDirectory } from './temporary.js';

/** A store in a directory of the test's own, closed and removed when the test ends. */
export interface TemporaryStore {
  readonly root: string;
  /** The store as it is open now. */
  readonly store: Store;
  /** Closes the store; the files stay until the test ends. */
  close(): Promise<void>;
  /** Closes the store if it is open and opens it again. */
  reopen(): Promise<Store>;
}

/** Opens a store of the test's own. `root` is given for a directory that is there already. */
export async function temporaryStore(
  t: ExecutionContext,
  { root, ...options }: StoreOptions & { root?: string } = {},
): Promise<TemporaryStore> {
  const path = root ?? join(temporaryDirectory(t), 'store');
  let store: Store | undefined = await openStore(path, options);
  const close = async (): Promise<void> => {
    const open = store;
    store = undefined;
    await open?.close();
  };
  t.teardown(close);
  return {
    root: path,
    get store() {
      if (store === undefined) throw new Error('the store is closed');
      return store;
    },
    close,
    reopen: async () => {
      await close();
      store = await openStore(path, options);
      return store;
    },
  };
}
