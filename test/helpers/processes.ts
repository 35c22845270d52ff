import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';

/** How a child ended, and what it printed. */
export interface Ended {
  readonly output: string;
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** Runs a program to its end, which must come within a minute. What it prints as errors is shown where it fails. */
export async function runChild(program: string, args: readonly string[]): Promise<Ended> {
  let output = '';
  let errors = '';
  const child = execFile(program, args, { timeout: 60_000, killSignal: 'SIGKILL' });
  child.stdout?.on('data', (text: string) => (output += text));
  child.stderr?.on('data', (text: string) => (errors += text));
  const [code, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null];
  return { output: code === 0 ? output : output + errors, code, signal };
}

/** Whether a process runs; one that has ended and waits for its parent does not. */
export function isAlive(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}
