import type { Chosen } from '../../store/images/choose-image.js';
import type { NamedPlace } from '../../store/images/image-names.js';
import { FsError } from '../errors.js';
import { type Attr, type Caller, type DirEntry, type Name, type Node, utf8Of } from '../node.js';
import { ContentDirectory } from './content-directory.js';
import { imageContent, OWN_NAMES } from './image-content.js';
import type { Content, ImageNodes } from './image-nodes.js';

/** How many names are given at a time. */
const BATCH = 256;

/**
 * `images/` and the directories below it that are names of images, or begin some. Of an image `a` and one `a/b`, both are
 * in `a/`; what is the image's own comes first. Nothing of images is read to list their names.
 */
export class ImagesDirectory extends ContentDirectory {
  readonly #names: readonly string[];

  /** `names` lead to it below `images/`. */
  constructor(nodes: ImageNodes, names: readonly string[] = []) {
    const path = ['images', ...names].join('/');
    super(nodes, path, () => this.#content());
    this.#names = names;
  }

  protected override get key(): string {
    return this.path;
  }

  override async attr(): Promise<Attr> {
    await this.#place();
    return this.ownAttr();
  }

  override async lookup(name: Name, caller: Caller): Promise<Node | undefined> {
    const text = utf8Of(name);
    if (text === undefined) return undefined;
    const place = await this.#place();
    if (OWN_NAMES.has(text) && place.entries.length > 0) {
      const own = await this.child(await this.#content(), text, caller.signal);
      if (own !== undefined) return own;
    }
    const names = [...this.#names, text];
    if ((await this.nodes.images.names()).at(names) === undefined) return undefined;
    return this.nodes.directory(`${this.path}/${text}`, () => new ImagesDirectory(this.nodes, names));
  }

  override async *entries(): AsyncIterable<readonly DirEntry[]> {
    const place = await this.#place();
    const own = place.entries.length > 0 ? this.listed(await this.#content()) : [];
    yield own;
    const taken = new Set<string>(own.map(({ name }) => name));
    const others = [...place.children.keys()];
    for (let start = 0; start < others.length; start += BATCH)
      yield others
        .slice(start, start + BATCH)
        .map((name) => this.listedDirectory(name))
        .filter(({ name }) => !taken.has(name));
  }

  async #place(): Promise<NamedPlace> {
    const place = (await this.nodes.images.names()).at(this.#names);
    if (place === undefined) throw new FsError('ENOENT');
    return place;
  }

  async #choose(): Promise<Chosen> {
    return this.nodes.images.choose(await this.#place());
  }

  async #content(): Promise<Content> {
    const { entries } = await this.#place();
    if (entries.length === 0) return { links: new Map(), directories: new Map() };
    return imageContent(this.nodes.images, this.path, await this.#choose(), () => this.#choose());
  }
}
