import { constants } from 'node:fs';
import type { Ingest } from '../store/ingest/ingest.js';
import type { Named } from '../store/ingest/ingests.js';
import { statusJsonOf } from '../store/ingest/status-json.js';
import { safeJson } from '../store/json.js';
import { type Ref, refWithin } from '../store/ref.js';
import type { Store } from '../store/store.js';
import { directoryAttr, nowNs, virtualInode } from './attr.js';
import { FsError } from './errors.js';
import { type Attr, type DirEntry, type Name, nameOf, type Node, utf8Of } from './node.js';
import { directoryOf, directoryShown, fileShown, ingestOf, isShown } from './status-names.js';
import { VirtualFile } from './virtual-file.js';

/** When all of them were last changed, as far as stat(2) tells: tar takes a time that moves for a change. */
const MADE = nowNs();

/** What the nodes of the status files share. */
interface StatusContext {
  readonly store: Store;
  readonly owner: { readonly uid: number; readonly gid: number };
  /** The nodes that the kernel remembers, by their paths in the mount. */
  readonly nodes: Map<string, Node>;
}

/**
 * The directory that shows the status of the ingests in the directory `parent`: `''` for `ingest/`, `/` for the root
 * of the mount. `path` is its own path in the mount.
 */
export function statusDirectory(
  store: Store,
  owner: { readonly uid: number; readonly gid: number },
  path: string,
  parent: '' | '/',
): Node {
  return new StatusDirectory({ store, owner, nodes: new Map() }, path, parent);
}

/** A file for each ingest and a directory for each directory of them, under the names of {@link fileShown} and {@link directoryShown}. */
class StatusDirectory implements Node {
  readonly type = constants.S_IFDIR;
  /** The names change with the ingests, and nobody is told. */
  readonly validity = { entry: 0, attr: 3600 };
  readonly #context: StatusContext;
  readonly #path: string;
  readonly #parent: string;
  readonly #attr: Attr;

  constructor(context: StatusContext, path: string, parent: string) {
    this.#context = context;
    this.#path = path;
    this.#parent = parent;
    this.#attr = directoryAttr(virtualInode(path), 0o555, context.owner, MADE);
  }

  attr(): Attr {
    return this.#attr;
  }

  async lookup(name: Name): Promise<Node | undefined> {
    const text = utf8Of(name);
    if (text === undefined) return undefined;
    const children = await this.#children();
    const file = ingestOf(text);
    if (file !== undefined) {
      const named = children.get(file);
      return named === undefined || named === 'directory' ? undefined : this.#file(text, file);
    }
    const directory = directoryOf(text);
    return children.get(directory) === 'directory' ? this.#directory(text, directory) : undefined;
  }

  async *entries(): AsyncIterable<readonly DirEntry[]> {
    for (const [name, named] of [...(await this.#children())]) {
      const directory = named === 'directory';
      const shown = directory ? directoryShown(name) : fileShown(name);
      if (!isShown(shown)) continue;
      const type = directory ? constants.S_IFDIR : constants.S_IFREG;
      yield [{ name: nameOf(shown), ino: virtualInode(`${this.#path}/${shown}`), type }];
    }
  }

  forgotten(): void {
    this.#context.nodes.delete(this.#path);
  }

  async #children(): Promise<ReadonlyMap<string, Named>> {
    const { ingests } = this.#context.store;
    await ingests.load();
    return ingests.children(this.#parent);
  }

  #directory(shown: string, name: string): Node {
    const path = `${this.#path}/${shown}`;
    return this.#known(path, () => new StatusDirectory(this.#context, path, refWithin(this.#parent, name)));
  }

  #file(shown: string, name: string): Node {
    const path = `${this.#path}/${shown}`;
    return this.#known(path, () => new StatusFile(this.#context, path, refWithin(this.#parent, name)));
  }

  /** The same node as long as the kernel remembers it: a shell that stands in a directory shall not lose it. */
  #known(path: string, make: () => Node): Node {
    const { nodes } = this.#context;
    const node = nodes.get(path) ?? make();
    nodes.set(path, node);
    return node;
  }
}

/** The status of whatever ingest has the ref when it is opened. */
class StatusFile extends VirtualFile {
  override readonly validity = { entry: 0, attr: 3600 };
  readonly #forget: () => void;

  constructor({ store, owner, nodes }: StatusContext, path: string, ref: Ref) {
    super(path, owner, async () => {
      const ingest = await store.ingests.find(ref);
      if (ingest === undefined) throw new FsError('ENOENT');
      return textOf(ingest);
    });
    this.#forget = () => nodes.delete(path);
  }

  forgotten(): void {
    this.#forget();
  }
}

async function textOf(ingest: Ingest): Promise<string> {
  return `${safeJson(await statusJsonOf(ingest), 2)}\n`;
}
