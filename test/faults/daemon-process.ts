import fs from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { openDescriptors } from '../helpers/descriptors.js';

/** How long, in milliseconds, files may stay open that nobody uses any more. */
const PATIENCE = 60_000;

/** The most memory, in MiB, that a process has had in use at any time. */
export function peakMemory(pid: number): number {
  const kibibytes = /^VmHWM:\s+(\d+) kB$/m.exec(fs.readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return Number(kibibytes) / 1024;
}

/** How many descriptors the database may open meanwhile: it is opened when it is first needed. */
const DATABASE = 8;

/** How many descriptors a daemon has while it holds no file of an ingest or a blob, which is waited for. */
export async function idleDescriptors(pid: number, store: string): Promise<number> {
  await waitFor(() => heldFiles(pid, store).length === 0);
  return descriptorCount(pid);
}

/**
 * Waits until a daemon holds no file of an ingest or a blob, since files are closed behind the answers, and no more
 * descriptors than it had. What it has open if that does not come.
 */
export async function keptDescriptors(pid: number, store: string, baseline: number): Promise<string[]> {
  const limit = baseline + DATABASE;
  if (await waitFor(() => heldFiles(pid, store).length === 0 && descriptorCount(pid) <= limit)) return [];
  return [`${descriptorCount(pid)}, not ${limit}`, ...openDescriptors(store, pid)];
}

function heldFiles(pid: number, store: string): string[] {
  return openDescriptors(store, pid).filter((path) => /\/(fresh|ingest|blobs\/[^/]+)\//.test(path));
}

function descriptorCount(pid: number): number {
  return fs.readdirSync(`/proc/${pid}/fd`).length;
}

async function waitFor(condition: () => boolean): Promise<boolean> {
  const deadline = performance.now() + PATIENCE;
  while (!condition()) {
    if (performance.now() > deadline) return false;
    await sleep(50);
  }
  return true;
}
