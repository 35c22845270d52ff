import { readFileSync } from 'node:fs';
import { bind } from '../../../store/libc.js';
import type { Opened } from '../../answers.js';
import type { HandleId } from '../../handles.js';
import type { NodeId } from '../../inodes.js';

const ioctl = bind('int ioctl(int fd, unsigned long request, void *argument)');
/** _IOW(229, 1, struct fuse_backing_map) and _IOW(229, 2, uint32_t). */
const BACKING_OPEN = 0x4010e501;
const BACKING_CLOSE = 0x4004e502;
const CAP_SYS_ADMIN = 1n << 21n;

interface Backing {
  readonly node: NodeId;
  /** 0 where the kernel refused: then all opens of the node are read through us, until the last is gone. */
  readonly id: number;
  readonly isLent: boolean;
  opens: number;
}

/**
 * The files that the kernel reads or writes without us. All opens of a node at one time share one backing id, as the
 * kernel demands; the id goes with the last of them.
 */
export class Backings {
  /** Whether this process may pass files through. */
  readonly permitted: boolean;
  readonly #device: number;
  readonly #ofNode = new Map<NodeId, Backing>();
  readonly #ofHandle = new Map<HandleId, Backing>();
  #enabled = false;

  /** `device` is the descriptor of /dev/fuse. */
  constructor(device: number, permitted: boolean) {
    this.#device = device;
    this.permitted = permitted;
  }

  get enabled(): boolean {
    return this.#enabled;
  }

  /** True once the kernel has agreed to it, false when the connection has ended. */
  set enabled(enabled: boolean) {
    this.#enabled = enabled;
  }

  /** Whether the kernel writes `node` without us, or has done so and has it open still. */
  isLent(node: NodeId): boolean {
    const backing = this.#ofNode.get(node);
    return backing !== undefined && backing.isLent && backing.id > 0;
  }

  /** Counts an open of `node`; its backing id, or 0 where reads come to us. */
  opened(node: NodeId, { handle, mode }: Opened): number {
    if (!this.#enabled) return 0;
    let backing = this.#ofNode.get(node);
    if (backing === undefined) {
      const descriptor = mode.backing ?? mode.lend?.();
      if (descriptor === undefined) return 0;
      backing = { node, id: this.#register(descriptor), isLent: mode.backing === undefined, opens: 0 };
      this.#ofNode.set(node, backing);
    }
    backing.opens++;
    this.#ofHandle.set(handle, backing);
    return backing.id;
  }

  /** Takes back what {@link opened} counted. The kernel has let go of the file before it sends RELEASE. */
  released(handle: HandleId): void {
    const backing = this.#ofHandle.get(handle);
    if (backing === undefined) return;
    this.#ofHandle.delete(handle);
    if (--backing.opens > 0) return;
    this.#ofNode.delete(backing.node);
    if (backing.id > 0 && this.#enabled) this.#control(BACKING_CLOSE, [backing.id]);
  }

  #register(descriptor: number): number {
    return this.#control(BACKING_OPEN, [descriptor, 0, 0, 0]);
  }

  /** 0 where the kernel refuses, as it does for a file on a stacked filesystem (ELOOP). */
  #control(request: number, words: readonly number[]): number {
    try {
      return ioctl(this.#device, request, new Uint8Array(Uint32Array.from(words).buffer));
    } catch {
      return 0;
    }
  }
}

/** Whether this process has CAP_SYS_ADMIN, which FUSE_DEV_IOC_BACKING_OPEN demands. */
export function mayPassThrough(): boolean {
  const effective = /^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync('/proc/self/status', 'latin1'))?.[1];
  return (BigInt(`0x${effective ?? '0'}`) & CAP_SYS_ADMIN) !== 0n;
}
