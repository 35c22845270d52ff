import fs from 'node:fs';
import os from 'node:os';
import { join } from 'node:path';
import { compile } from './compile.js';

let directory: string | undefined;
const built = new Map<string, Promise<string>>();

/** The program of `NAME.c` in this directory, compiled once for each test file. Its path. */
export function program(name: string, ...options: readonly string[]): Promise<string> {
  const building = built.get(name) ?? build(name, options);
  built.set(name, building);
  return building;
}

async function build(name: string, options: readonly string[]): Promise<string> {
  const output = join(programs(), name);
  await compile(`${name}.c`, output, options);
  return output;
}

function programs(): string {
  if (directory !== undefined) return directory;
  const made = fs.mkdtempSync(join(os.tmpdir(), 'cas-programs-'));
  process.on('exit', () => fs.rmSync(made, { recursive: true, force: true }));
  // Clients of other users run them too.
  fs.chmodSync(made, 0o755);
  return (directory = made);
}
