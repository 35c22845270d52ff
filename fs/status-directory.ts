import { constants } from 'node:fs';
import { safeJson } from '../store/json.js';
import { type Ref, refWithin } from '../store/ref.js';
import { directoryAttr, nowNs, virtualInode } from './attr.js';
import { type Attr, type DirEntry, type Name, nameOf, type Node, utf8Of } from './node.js';
import { directoryOf, directoryShown, fileShown, isShown, refOf } from './status-names.js';
import { VirtualFile } from './virtual-file.js';

/** When all of them were last changed, as far as stat(2) tells: tar takes a time that moves for a change. */
const MADE = nowNs();

/** What stands under a name: something that has a status, a directory of such, or one of each. */
export type Stands = 'file' | 'directory' | 'both';

/** What the status is shown of, in directories. */
export interface StatusSource {
  /** What stands under a name in a directory; undefined for nothing. */
  at(directory: string, name: string): Promise<Stands | undefined>;
  /** All names in a directory. */
  names(directory: string): Promise<Iterable<readonly [name: string, stands: Stands]>>;
  /** The status of what stands there, as JSON. @throws FsError ENOENT */
  status(path: Ref): Promise<object>;
}

/** What the nodes of the status files share. */
interface StatusContext {
  readonly source: StatusSource;
  readonly owner: { readonly uid: number; readonly gid: number };
  /** The nodes that the kernel remembers, by their paths in the mount. */
  readonly nodes: Map<string, Node>;
}

/**
 * The directory that shows the status of what stands in the directory `parent`. `path` is its own path in the mount.
 */
export function statusDirectory(
  source: StatusSource,
  owner: { readonly uid: number; readonly gid: number },
  path: string,
  parent: string,
): Node {
  return new StatusDirectory({ source, owner, nodes: new Map() }, path, parent);
}

/** A file for each status and a directory for each directory of them, under the names of {@link fileShown} and {@link directoryShown}. */
class StatusDirectory implements Node {
  readonly type = constants.S_IFDIR;
  /** The names change with what they show, and nobody is told. */
  readonly validity = { entry: 0, attr: 3600 };
  readonly frozen = true;
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
    const { source } = this.#context;
    const file = refOf(text);
    if (file !== undefined) {
      const stands = await source.at(this.#parent, file);
      return stands === undefined || stands === 'directory' ? undefined : this.#file(text, file);
    }
    const directory = directoryOf(text);
    const stands = await source.at(this.#parent, directory);
    return stands === undefined || stands === 'file' ? undefined : this.#directory(text, directory);
  }

  async *entries(): AsyncIterable<readonly DirEntry[]> {
    for (const [name, stands] of [...(await this.#context.source.names(this.#parent))]) {
      const entries: DirEntry[] = [];
      if (stands !== 'directory') this.#list(entries, fileShown(name), constants.S_IFREG);
      if (stands !== 'file') this.#list(entries, directoryShown(name), constants.S_IFDIR);
      yield entries;
    }
  }

  forgotten(): void {
    this.#context.nodes.delete(this.#path);
  }

  #list(to: DirEntry[], shown: string, type: number): void {
    if (isShown(shown)) to.push({ name: nameOf(shown), ino: virtualInode(`${this.#path}/${shown}`), type });
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

/** The status of whatever has the path when it is opened. */
class StatusFile extends VirtualFile {
  override readonly validity = { entry: 0, attr: 3600 };
  readonly #forget: () => void;

  constructor({ source, owner, nodes }: StatusContext, path: string, ref: Ref) {
    super(path, owner, async () => `${safeJson(await source.status(ref), 2)}\n`);
    this.#forget = () => nodes.delete(path);
  }

  forgotten(): void {
    this.#forget();
  }
}
