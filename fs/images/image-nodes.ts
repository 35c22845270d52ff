import type { Errno } from '../errors.js';
import type { Nanoseconds, Node } from '../node.js';
import type { UnpackedImages } from '../../store/images/unpacked-images.js';

/** What a directory of an image shows. */
export interface Content {
  readonly links: ReadonlyMap<string, string>;
  readonly directories: ReadonlyMap<string, Contents>;
  /** Why there is no rootfs, though there should be one. */
  readonly fault?: { readonly errno: Errno; readonly message: string };
  /** Settles once what rootfs leads to may be shown. @throws why it may not be */
  readonly checkRoot?: (signal?: AbortSignal) => Promise<void>;
  /** Its extended attributes. */
  readonly attributes?: () => Promise<Readonly<Record<string, string>>>;
}

/** What a directory shows now. @throws FsError ENOENT where it is gone */
export type Contents = () => Promise<Content>;

/** What the nodes of `images/` share. */
export class ImageNodes {
  readonly images: UnpackedImages;
  readonly owner: { readonly uid: number; readonly gid: number };
  /** Called before something is looked up that leads to a tree. */
  readonly onLook: () => Promise<void> | undefined;
  readonly #mountedAt: Nanoseconds;
  /** The directories that the kernel remembers: a shell that stands in one shall not lose it. */
  readonly #known = new Map<string, Node>();

  constructor(
    images: UnpackedImages,
    owner: ImageNodes['owner'],
    mountedAt: Nanoseconds,
    onLook: () => Promise<void> | undefined,
  ) {
    this.images = images;
    this.owner = owner;
    this.onLook = onLook;
    this.#mountedAt = mountedAt;
  }

  /** When what is shown last changed. */
  get writtenAt(): Nanoseconds {
    const written = BigInt(this.images.writtenAt.getTime()) * 1_000_000n;
    return written > 0n ? written : this.#mountedAt;
  }

  /** The node of a directory: the same one as long as the kernel remembers it. */
  directory(key: string, make: () => Node): Node {
    const node = this.#known.get(key) ?? make();
    this.#known.set(key, node);
    return node;
  }

  forget(key: string): void {
    this.#known.delete(key);
  }
}
