import type { GivenOptions } from './command.js';

/** Parameters as the part of a URL that begins with `?`; those that are undefined are left out. */
export function query(parameters: GivenOptions): string {
  const pairs = Object.entries(parameters).flatMap(([name, given = []]) =>
    (typeof given === 'string' ? [given] : given).map((value): [string, string] => [name, value]),
  );
  return pairs.length === 0 ? '' : `?${new URLSearchParams(pairs).toString()}`;
}
