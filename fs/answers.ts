import type { HandleId } from './handles.js';
import type { NodeId } from './inodes.js';
import type { Attr, Name, Node, OpenMode, Validity } from './node.js';

/** What statfs(2) shows, in blocks of `bsize` bytes. */
export interface StatFs {
  readonly bsize: number;
  readonly blocks: number;
  readonly bfree: number;
  readonly bavail: number;
  readonly files: number;
  readonly ffree: number;
}

/** A node as the kernel is told of it. Each one counts as a lookup, to be undone by forget. */
export interface Entry {
  readonly id: NodeId;
  readonly node: Node;
  readonly attr: Attr;
  readonly validity: Validity;
}

/** An open file as the kernel is told of it. */
export interface Opened {
  readonly handle: HandleId;
  readonly mode: OpenMode;
}

/** Tells the kernel to drop what it has cached. Transports send such notices after the reply in hand. */
export interface Notifier {
  /** The name `name` in `parent` may now lead elsewhere. */
  invalidateEntry(parent: NodeId, name: Name): void;
  /** Attributes and cached content of the node are stale. */
  invalidateNode(id: NodeId): void;
}
