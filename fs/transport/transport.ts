import type { FileSystem } from '../filesystem.js';

/** How a filesystem is to be mounted. */
export interface MountRequest {
  readonly mountpoint: string;
  /** The first column of /proc/mounts: the store's path. */
  readonly source: string;
  /** Mount options for the kernel and fusermount3, such as `ro`, `allow_other`, `nosuid`, `noatime`. */
  readonly options: readonly string[];
}

/** A transport that is mounted and serves requests. */
export interface Mounted {
  readonly transport: 'kernel' | 'fuse-native';
  /** Whether reads of immutable files go straight to the disk below (FUSE_PASSTHROUGH). */
  readonly passthrough: boolean;
  /** Requests under way. */
  readonly pending: number;
  /** Settles when the mount is gone, by {@link unmount} or from outside; rejects if the connection broke. */
  readonly ended: Promise<void>;
  /** Unmounts; `lazy` detaches even while files are open. Fails with EBUSY otherwise. */
  unmount(lazy: boolean): Promise<void>;
  /** Last resort: every request under way and to come fails at once, then the mount is detached. Never waits. */
  abort(): void;
}

/** A mount of immutable files on a directory of another mount of this process. */
export interface InnerMount {
  /** Mounts it, if it is not there; settles when it is, or cannot be. Undefined where it is there. */
  attach(): Promise<void> | undefined;
  /** Takes it away, unless it is in use. */
  detach(): Promise<void>;
  /** Ends it, when the mount around it has gone. Settles when nobody is in it any more. */
  end(): Promise<void>;
  /** As {@link Mounted.abort}. */
  abort(): void;
}

/** Something that can carry a {@link FileSystem}. */
export interface Transport {
  readonly name: Mounted['transport'];
  /** Undefined where it can run; otherwise what is missing, in words a user can act on. */
  unavailable(): string | undefined;
  mount(filesystem: FileSystem, request: MountRequest, observer: Observer): Promise<Mounted>;
  /** Prepares a mount within one of its own, where it can. Nothing is mounted before it is attached. */
  within?(filesystem: FileSystem, request: MountRequest, observer: Observer): Promise<InnerMount | undefined>;
}

/** What a transport reports; the daemon turns it into metrics and log lines. */
export interface Observer {
  /**
   * A request was answered; `errno` is 0 on success. `milliseconds` is its whole time in the daemon, `error` what the
   * handler threw: it says more than the errno does.
   */
  answered(operation: string, errno: number, milliseconds: number, error?: unknown): void;
  /** A handler failed with something that carries no errno: a defect. The caller got EIO. */
  defect(operation: string, error: unknown): void;
}
