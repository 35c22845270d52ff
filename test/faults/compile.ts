import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const execute = promisify(execFile);

/** The path of a file of this directory that is no TypeScript. */
export function sourceOf(name: string): string {
  return fileURLToPath(new URL(`../../../test/faults/${name}`, import.meta.url));
}

/** Compiles a C source of this directory to `output`. */
export async function compile(
  source: string,
  output: string,
  options: readonly string[] = [],
): Promise<void> {
  await execute('cc', ['-O1', '-Wall', '-Wextra', '-Werror', ...options, '-o', output, sourceOf(source)]);
}
