import path from 'node:path';
import { parsePlatform, platformText } from '../store/images/platform.js';
import { CHECKPOINT_STEP } from '../store/ingest/pace.js';
import { LAYER_LIMITS } from '../store/layers/limits.js';

/** The value of an option. */
export type Value = string | number | boolean;

/**
 * One option. Its name in the table, written with dashes, is its flag (`--log-level`), its mount option
 * (`-o log-level=`), its key in the configuration file (`"log-level"`) and its variable (`CAS_MOUNT_LOG_LEVEL`).
 */
export interface Option {
  /** One letter, for a short flag. */
  readonly short?: string;
  /** What stands for the value in the help. Absent for a switch. */
  readonly argument?: string;
  /** Further names after `-o`. */
  readonly aliases?: readonly string[];
  /** Not a key of the configuration file. */
  readonly notInFile?: true;
  readonly help: string;
  /**
   * Reads the text of a value; relative paths start at `base`.
   * @throws RangeError saying what was expected
   */
  readonly parse: (text: string, base: string) => Value;
  /** The value where nobody gives one; `undefined` if it is decided later. */
  readonly fallback: Value | undefined;
}

export const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace'] as const;

/** Every option of cas-mount. Parsing, `-o`, the environment, the configuration file and the help are made from it. */
const OPTIONS = {
  root: {
    argument: 'DIR',
    aliases: ['store'],
    help: 'the store (default: /var/lib/cas-mount for root, else $XDG_DATA_HOME/cas-mount or ~/.local/share/cas-mount)',
    parse: directory,
    fallback: undefined,
  },
  foreground: { short: 'f', help: 'stay in the foreground', parse: yesOrNo, fallback: false },
  transport: {
    argument: 'NAME',
    help: 'auto, kernel or fuse-native',
    parse: oneOf('auto', 'kernel', 'fuse-native'),
    fallback: 'auto',
  },
  sync: {
    argument: 'WHEN',
    help: 'commit: each commit is durable when it returns; batch: within a second',
    parse: oneOf('commit', 'batch'),
    fallback: 'commit',
  },
  verify: {
    argument: 'WHEN',
    help: 'auto: what was hashed while it was written is not read again; always: each commit reads all bytes, and each layer is put together again',
    parse: oneOf('auto', 'always'),
    fallback: 'auto',
  },
  checkpoint: {
    argument: 'SIZE',
    help: 'save how far an ingest is hashed each SIZE bytes, such as 64M; never: only when it is closed',
    parse: byteCount,
    fallback: CHECKPOINT_STEP,
  },
  expireNamed: {
    argument: 'AGE',
    help: 'remove ingests that nobody has written for AGE, such as 90m, 36h or 14d',
    parse: age,
    fallback: Infinity,
  },
  expireTemporary: {
    argument: 'AGE',
    help: "the same for tools' temporary files outside ingest/; never keeps them",
    parse: age,
    fallback: 24 * 60 * 60 * 1000,
  },
  layerBlobs: {
    help: 'show the tar of each layer as a blob, though it is stored only as a layer',
    parse: yesOrNo,
    fallback: false,
  },
  layerSize: {
    argument: 'SIZE',
    help: 'refuse layers whose tar is larger, such as 100G',
    parse: byteCount,
    fallback: LAYER_LIMITS.size,
  },
  layerEntries: {
    argument: 'N',
    help: 'refuse layers whose tar has more entries',
    parse: wholeNumber,
    fallback: LAYER_LIMITS.entries,
  },
  platform: {
    argument: 'OS/ARCH',
    help: 'what images/ shows of images for several platforms, such as linux/arm64 (default: what this machine is)',
    parse: platform,
    fallback: undefined,
  },
  uid: { argument: 'N', help: 'owner of everything in the mount', parse: wholeNumber, fallback: undefined },
  gid: { argument: 'N', help: 'group of everything in the mount', parse: wholeNumber, fallback: undefined },
  umask: { argument: 'MODE', help: 'permission bits to take away, octal', parse: octal, fallback: undefined },
  nonempty: { help: 'mount over a directory that is not empty', parse: yesOrNo, fallback: false },
  config: {
    argument: 'FILE',
    notInFile: true,
    help: 'read options from a JSON file',
    parse: directory,
    fallback: undefined,
  },
  logLevel: {
    argument: 'LEVEL',
    help: LOG_LEVELS.join(', '),
    parse: oneOf(...LOG_LEVELS),
    fallback: 'info',
  },
  logFormat: {
    argument: 'FORMAT',
    help: 'json or pretty (default: pretty on a terminal, json elsewhere)',
    parse: oneOf('json', 'pretty'),
    fallback: undefined,
  },
  logFile: {
    argument: 'FILE',
    help: 'append the log to FILE (default: standard error with -f, else cas-mount.log in the store)',
    parse: directory,
    fallback: undefined,
  },
  pidFile: { argument: 'FILE', help: 'write the process id to FILE', parse: directory, fallback: undefined },
} as const satisfies Record<string, Option>;

/** The name of an option in the table and in the code. */
export type OptionName = keyof typeof OPTIONS;

/** The values of all options. */
export type Values = {
  readonly [K in OptionName]:
    ReturnType<(typeof OPTIONS)[K]['parse']> | Widened<(typeof OPTIONS)[K]['fallback']>;
};

/** `false` as the fallback of a switch is of the same type as what the switch reads. */
type Widened<T> = T extends boolean ? boolean : T;

/** All names of the table, in the order of the help. */
export const OPTION_NAMES = Object.keys(OPTIONS) as OptionName[];

/** The option of that name, as the table describes it. */
export function optionOf(name: OptionName): Option {
  return OPTIONS[name];
}

/** `logLevel` as users write it: `log-level`. */
export function dashed(name: OptionName): string {
  return name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

/** The environment variable of an option. */
export function variableOf(name: OptionName): string {
  return `CAS_MOUNT_${dashed(name).replaceAll('-', '_').toUpperCase()}`;
}

function directory(text: string, base: string): string {
  if (text === '' || text.includes('\0')) throw new RangeError('a path');
  return path.resolve(base, text);
}

function oneOf<const T extends readonly string[]>(...choices: T): (text: string) => T[number] {
  return (text) => {
    if (!choices.includes(text)) throw new RangeError(`one of ${choices.join(', ')}`);
    return text;
  };
}

function yesOrNo(text: string): boolean {
  if (/^(1|true|yes|on)$/i.test(text)) return true;
  if (/^(0|false|no|off)$/i.test(text)) return false;
  throw new RangeError('true or false');
}

function platform(text: string): string {
  return platformText(parsePlatform(text));
}

function wholeNumber(text: string): number {
  const value = /^\d{1,10}$/.test(text) ? Number(text) : NaN;
  // (uid_t)-1 means "unchanged" to chown(2) and is nobody's.
  if (!(value < 0xffff_ffff)) throw new RangeError('a number from 0 to 4294967294');
  return value;
}

const POWERS = ['', 'K', 'M', 'G', 'T'];

function byteCount(text: string): number {
  if (text === 'never') return Infinity;
  const [, count, unit = ''] = /^([1-9]\d{0,5})([KMGT]?)$/.exec(text) ?? [];
  if (count === undefined) throw new RangeError('a size such as 512K or 64M, or never');
  return Number(count) * 1024 ** POWERS.indexOf(unit);
}

const UNITS: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** In milliseconds. */
function age(text: string): number {
  if (text === 'never') return Infinity;
  const [, count, unit = ''] = /^(\d{1,6})([smhd])$/.exec(text) ?? [];
  if (count === undefined) throw new RangeError('an age such as 90m, 36h or 14d, or never');
  return Number(count) * (UNITS[unit] ?? 0);
}

function octal(text: string): number {
  if (!/^0*[0-7]{1,3}$/.test(text)) throw new RangeError('an octal mode such as 022');
  return parseInt(text, 8);
}
