import { INDEX_JSON } from '../../store/images/index-file.js';
import { MAX_INDEX } from '../../store/images/index-json.js';
import type { IndexSnapshot } from '../../store/images/image-index.js';
import { processKey } from '../../store/process.js';
import type { Named } from '../../store/ingest/ingests.js';
import type { Caller, Created, OpenFlags } from '../node.js';
import type { TreeContext } from '../tree.js';
import { IndexReaders } from './index-readers.js';
import type { LayoutEntry } from './layout-entry.js';
import { receiveText } from './received-text.js';
import { TextFile } from './text-file.js';

/** `index.json`: each open sees one snapshot; what is written, in place or by a rename over it, is merged. */
export class IndexEntry implements LayoutEntry {
  readonly #context: TreeContext;
  readonly #readers = new IndexReaders();
  #node: TextFile | undefined;
  /** What {@link #node} shows. */
  #shown: IndexSnapshot | undefined;

  constructor(context: TreeContext) {
    this.#context = context;
  }

  async node(): Promise<TextFile> {
    const { images } = this.#context.store;
    const damage = await images.load().then(
      () => undefined,
      (error: unknown) => (error instanceof Error ? error : new Error(String(error))),
    );
    // One that cannot be read is tried again each time: whoever runs the store may have mended it.
    if (damage !== undefined) return this.#make(images.current, damage);
    if (this.#node === undefined || this.#shown !== images.current) {
      this.#shown = images.current;
      this.#node = this.#make(images.current);
    }
    return this.#node;
  }

  async create(flags: OpenFlags, caller: Caller): Promise<Created> {
    const node = await this.node();
    return { node, handle: node.open(flags, caller) };
  }

  /** Whoever moves a file that it has not made of what it had read itself (mv) goes by the moment it was begun. */
  receive(named: Named, caller: Caller): Promise<void> {
    const { images, ingests } = this.#context.store;
    return receiveText(ingests, named, MAX_INDEX, async (bytes) => {
      const begun = named === 'directory' ? new Date() : named.status.startedAt;
      await this.#write(bytes, processKey(caller.pid), images.at(begun));
    });
  }

  #make(snapshot: IndexSnapshot, damage?: Error): TextFile {
    const { owner, umask, store } = this.#context;
    return new TextFile({
      path: `/${INDEX_JSON}`,
      owner,
      permissions: 0o666 & ~umask,
      bytes: snapshot.bytes,
      writtenAt: snapshot.writtenAt,
      version: snapshot.version,
      limit: MAX_INDEX,
      refusal: () => store.images.refusal,
      opened: ({ pid }) => {
        if (damage !== undefined) throw damage;
        this.#readers.read(processKey(pid), snapshot);
      },
      writing: ({ pid }) => {
        const writer = processKey(pid);
        return (bytes) => this.#write(bytes, writer, snapshot);
      },
    });
  }

  /** `seen` is what the writer found who has read none. */
  async #write(bytes: Buffer, writer: string | undefined, seen: IndexSnapshot): Promise<void> {
    const { images } = this.#context.store;
    const known = this.#readers.knownTo(writer);
    this.#readers.wrote(writer, await images.write(known.length > 0 ? known : [seen], bytes));
  }
}
