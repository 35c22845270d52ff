import type { ByteText } from '../tar/entry.js';
import type { DraftDirectory } from './draft-directory.js';
import type { DraftTree } from './draft-tree.js';
import { checkName, type Components, WHITEOUT } from './tar-name.js';

/** A name and the directory that it belongs into. */
export interface Place {
  readonly parent: DraftDirectory;
  readonly name: ByteText;
}

/** Where the last entry was put: the next one is often put beside it, and then its path need not be walked. */
export class RecentParent {
  readonly #tree: DraftTree;
  /** The path of the directory as the tar has it, with its last slash. */
  #path: ByteText = '';
  #parent: DraftDirectory | undefined;
  #version = 0;

  constructor(tree: DraftTree) {
    this.#tree = tree;
  }

  keep(path: ByteText, components: Components, parent: DraftDirectory): void {
    const cut = path.lastIndexOf('/') + 1;
    if (path.slice(cut) !== components.at(-1)) return;
    this.#path = path.slice(0, cut);
    this.#parent = parent;
    this.#version = this.#tree.version;
  }

  /** Undefined where the path leads elsewhere, or must be looked at more closely. @throws CasError LAYER_INVALID */
  place(path: ByteText): Place | undefined {
    const parent = this.#parent;
    if (!parent || this.#version !== this.#tree.version || !path.startsWith(this.#path)) return undefined;
    const name = path.slice(this.#path.length);
    if (name === '' || name === '.' || name === '..' || name.includes('/') || name.startsWith(WHITEOUT)) {
      return undefined;
    }
    checkName(name);
    return { parent, name };
  }
}
