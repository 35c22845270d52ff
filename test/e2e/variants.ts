/** One way in which the tests mount. */
export interface Variant {
  /** Begins each test title. */
  readonly name: string;
  readonly transport: 'kernel' | 'fuse-native';
  /** Mounted and used by an ordinary user, who reaches the kernel through fusermount. */
  readonly user: boolean;
}

const kernel: Variant = { name: 'kernel', transport: 'kernel', user: false };
const fuseNative: Variant = { name: 'fuse-native', transport: 'fuse-native', user: false };

/** Both transports, as root. */
export const AS_ROOT: readonly Variant[] = [kernel, fuseNative];

/** Both transports, as root and as an ordinary user. */
export const ALL: readonly Variant[] = [
  ...AS_ROOT,
  ...AS_ROOT.map((variant) => ({ ...variant, name: `${variant.name}, unprivileged`, user: true })),
];

/**
 * Both transports, and both kinds of user, but not each transport with each user: for what the kernel and the daemon
 * do between them, whoever asks.
 */
export const EACH = ALL.filter(({ transport, user }) => transport === 'kernel' || !user);

/** Each way in which layers are shown: by a mount of their own within the mount, as root, or by the mount itself. */
export const LAYER_VARIANTS = EACH;

/** What is answered, where that depends on the transport or on who asks: the texts are those of strerror(3). */
export interface Answers {
  /** Content that is committed is read without the daemon. */
  readonly passthrough: boolean;
  /** renameat2(2) with RENAME_NOREPLACE to a free name. libfuse 2 has no flags for rename; mv then does without. */
  readonly noReplace: string;
  /** setxattr(2) of a label of a blob: the disk below lets those write it who may write the file, which is 0444. */
  readonly setLabel: string;
}

/** The answers that a variant must give. */
export function answersOf({ transport, user }: Variant): Answers {
  return {
    passthrough: transport === 'kernel' && !user,
    noReplace: transport === 'kernel' ? 'OK' : 'EINVAL',
    setLabel: user ? 'Permission denied' : 'OK',
  };
}
