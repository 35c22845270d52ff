import type { Named } from '../../store/ingest/ingests.js';
import type { Awaitable, Caller, Created, Node, OpenFlags } from '../node.js';

/** A name at the root of the mount whose text is read and written as a whole: each lookup may lead to another node. */
export interface LayoutEntry {
  /** What it leads to now. */
  node(): Awaitable<Node>;
  /** Opens it for a caller who found nothing there and creates it. */
  create(flags: OpenFlags, caller: Caller): Awaitable<Created>;
  /** Takes the bytes of an ingest that is moved over it. The ingest is gone then, or as it was. */
  receive(named: Named, caller: Caller): Promise<void>;
}
