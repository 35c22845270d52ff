import type { ByteText } from '../tar/entry.js';
import type { Handle } from './arena.js';
import type { DirectoryContent } from './inode.js';

/** Stands for a name that the tree below has and this one has not. */
export const REMOVED = -1;

/** An encoded entry, a directory that is being changed, or {@link REMOVED}. */
export type Change = Handle | DraftDirectory;

/** A directory that is being changed: what it was, and the names that differ. */
export class DraftDirectory {
  /** What it was in the tree below, as far as it is still seen. */
  base: DirectoryContent | undefined;
  changes: Map<ByteText, Change> | undefined;
  /** Its encoded attributes. */
  attributes: Handle;
  /** Bytes of its path, that of the root being 0. */
  readonly pathLength: number;
  /** Whether the layer itself says that nothing below it is seen. */
  opaque = false;
  /** Names that the layer hides and the tree below does not have. */
  whiteouts: Set<ByteText> | undefined;
  /** Its encoded entry, once it is written. */
  written: Handle = REMOVED;

  constructor(pathLength: number, attributes: Handle, base?: DirectoryContent) {
    this.pathLength = pathLength;
    this.attributes = attributes;
    this.base = base;
  }

  set(name: ByteText, change: Change): void {
    this.changes ??= new Map();
    this.changes.set(name, change);
  }
}
