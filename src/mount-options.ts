import { Failure, MOUNT_EXIT } from './failure.js';
import { dashed, OPTION_NAMES, optionOf, type OptionName } from './options.js';

/** Options that the kernel or fusermount3 understand; passed on as they are. */
const KERNEL = new Set(
  (
    'ro rw suid nosuid dev nodev exec noexec atime noatime nodiratime relatime strictatime lazytime sync async ' +
    'dirsync nosymfollow allow_other default_permissions max_read'
  ).split(' '),
);

/** Options that mount(8), fstab and systemd act on themselves and hand down all the same. */
const SYSTEM =
  /^(_netdev|_rnetdev|nofail|(no)?auto|(no)?users?|(no)?owner|(no)?group|defaults|comment|u?helper|[xX]-.*)$/;

/** What a string of mount options says. */
export interface MountOptions {
  /** Options of ours, by their name in the table. */
  readonly values: ReadonlyMap<OptionName, string>;
  /** What is passed on to the kernel. */
  readonly kernel: readonly string[];
}

const OURS = new Map(
  OPTION_NAMES.flatMap((name) => [dashed(name), ...(optionOf(name).aliases ?? [])].map((key) => [key, name])),
);

/**
 * Parses `ro,store=/x,noatime`. A comma or backslash in a value is written `\,` and `\\`, as libfuse has it.
 * @throws Failure naming an option that nobody knows
 */
export function parseMountOptions(text: string): MountOptions {
  const values = new Map<OptionName, string>();
  const kernel: string[] = [];
  for (const word of text.match(/(?:\\.|[^,\\]|\\$)+/gs) ?? []) {
    const option = word.replace(/\\(.)/gs, '$1');
    const equals = option.indexOf('=');
    const key = equals < 0 ? option : option.slice(0, equals);
    const name = OURS.get(key);
    // `sync` alone is the kernel's, `sync=batch` is ours.
    if (name !== undefined && (equals >= 0 || !KERNEL.has(key))) {
      values.set(name, valueOf(name, key, equals < 0 ? undefined : option.slice(equals + 1)));
    } else if (KERNEL.has(key)) {
      kernel.push(option);
    } else if (!SYSTEM.test(key)) {
      throw unknown(key);
    }
  }
  return { values, kernel };
}

/** Of options that contradict each other (`ro,rw`, `suid,nosuid`) the last one stands. */
export function settle(options: readonly string[]): string[] {
  const last = new Map<string, string>();
  for (const option of options) {
    const family = familyOf(option);
    last.delete(family);
    last.set(family, option);
  }
  return [...last.values()];
}

/** `nosuid` belongs to `suid`, `async` to `sync`; `atime` and `allow_other` stand for themselves. */
function familyOf(option: string): string {
  const key = option.replace(/=.*/s, '');
  if (key === 'ro') return 'rw';
  const positive = key.replace(/^(no|a)/, '');
  return KERNEL.has(positive) ? positive : key;
}

function valueOf(name: OptionName, key: string, value: string | undefined): string {
  if (value !== undefined) return value;
  if (optionOf(name).argument === undefined) return 'true';
  throw new Failure(
    MOUNT_EXIT.usage,
    `-o ${key}: a value is missing: write ${key}=${optionOf(name).argument}`,
  );
}

function unknown(key: string): Failure {
  const advice =
    key === 'remount'
      ? 'a mount cannot be changed; unmount it and mount it again'
      : `known are ${[...OURS.keys(), ...KERNEL].join(', ')}`;
  return new Failure(MOUNT_EXIT.usage, `-o ${key}: unknown mount option: ${advice}`);
}
