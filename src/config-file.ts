import { readFileSync } from 'node:fs';
import { Failure, MOUNT_EXIT } from './failure.js';
import { dashed, OPTION_NAMES, optionOf, type OptionName } from './options.js';

/** What a configuration file says: texts, not yet read as values. */
export interface ConfigFile {
  readonly values: ReadonlyMap<OptionName, string>;
  /** The key `options`: mount options, as after `-o`. */
  readonly mountOptions: readonly string[];
}

const NAMES = new Map(
  OPTION_NAMES.filter((name) => !optionOf(name).notInFile).map((name) => [dashed(name), name]),
);

/**
 * Reads a configuration file: one JSON object whose keys are the long options, and `options`, a string or a list of
 * strings.
 * @throws Failure with the path and the key that is wrong
 */
export function readConfigFile(file: string): ConfigFile {
  const content = parse(file);
  if (typeof content !== 'object' || content === null || Array.isArray(content)) {
    throw new Failure(MOUNT_EXIT.usage, `${file}: not a JSON object`);
  }
  const values = new Map<OptionName, string>();
  const mountOptions: string[] = [];
  for (const [key, value] of Object.entries(content) as [string, unknown][]) {
    const name = NAMES.get(key);
    if (key === 'options') {
      mountOptions.push(...stringsOf(file, value));
    } else if (name === undefined) {
      throw new Failure(
        MOUNT_EXIT.usage,
        `${file}: unknown key "${key}": known are ${[...NAMES.keys(), 'options'].join(', ')}`,
      );
    } else {
      values.set(name, textOf(file, key, value));
    }
  }
  return { values, mountOptions };
}

function parse(file: string): unknown {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw new Failure(
      MOUNT_EXIT.usage,
      `${file}: the configuration cannot be read: ${(error as Error).message}`,
      error,
    );
  }
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Failure(MOUNT_EXIT.usage, `${file}: not JSON: ${(error as Error).message}`, error);
  }
}

function textOf(file: string, key: string, value: unknown): string {
  if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean')
    return String(value);
  throw new Failure(MOUNT_EXIT.usage, `${file}: "${key}" must be a string, number or boolean`);
}

function stringsOf(file: string, value: unknown): string[] {
  const list: unknown[] = Array.isArray(value) ? value : [value];
  return list.map((item) => {
    if (typeof item === 'string') return item;
    throw new Failure(MOUNT_EXIT.usage, `${file}: "options" must be a string or a list of strings`);
  });
}
