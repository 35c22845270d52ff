import type { Digest } from '../store/digest.js';
import { CasError } from '../store/errors.js';
import { FsError } from './errors.js';
import type { Caller, Node } from './node.js';

/** After how many milliseconds a thread that was to look again is taken to have died on the way. */
const LAPSE = 10_000;

interface Offer {
  readonly digest: Digest;
  readonly node: Node;
  readonly until: number;
}

/**
 * Leads those who open a blob with O_TRUNC to a node of their own. Once an OPEN with O_TRUNC has succeeded the kernel
 * takes the file for empty (fuse_do_setattr with ATTR_OPEN), for all who have it open; so it must not be the blob's.
 * ESTALE makes the kernel walk the path once more and ask for every name on it (do_filp_open with LOOKUP_REVAL), in the
 * same thread: what that thread finds under the name is the node, until it opens it.
 */
export class Rewrites {
  /** By the number of the thread. */
  readonly #offers = new Map<number, Offer>();

  /**
   * Answers an OPEN of a blob with O_TRUNC.
   * @throws FsError ESTALE, which the kernel keeps to itself
   * @throws CasError BLOB_IMMUTABLE where the caller did not come by the name (as through /proc/self/fd), or cannot be
   * told from others: the kernel gives 0 for processes outside the mount's PID namespace
   */
  begin(digest: Digest, { pid }: Caller, make: () => Node): never {
    const again = this.find(digest, pid) !== undefined;
    this.end(pid);
    if (pid === 0 || again) throw new CasError('BLOB_IMMUTABLE', { subject: digest });
    const now = performance.now();
    for (const [thread, { until }] of this.#offers) if (until < now) this.#offers.delete(thread);
    this.#offers.set(pid, { digest, node: make(), until: now + LAPSE });
    throw new FsError('ESTALE');
  }

  /** What a thread finds in the place of a blob: undefined for all that do not rewrite it at this moment. */
  find(digest: Digest, thread: number): Node | undefined {
    const offer = this.#offers.get(thread);
    return offer?.digest === digest && offer.until > performance.now() ? offer.node : undefined;
  }

  /** The thread has opened it. */
  end(thread: number): void {
    this.#offers.delete(thread);
  }
}
