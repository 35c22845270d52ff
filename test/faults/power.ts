import { isAlive, until } from '../src/process/site.js';
import { compile } from './compile.js';
import type { Faulty } from './faulty.js';

/** Compiles power.c, which cuts the power of a disk; the path of the program. */
export async function compilePower({ mount }: Faulty): Promise<string> {
  const power = `${mount.scratch}/power`;
  await compile('power.c', power);
  return power;
}

/** What a power cut does beside losing what is not on the disk, once that has happened; then starts everything again. */
export async function startAfterCut(faulty: Faulty, pid: number): Promise<void> {
  if (isAlive(pid)) process.kill(pid, 'SIGKILL');
  await until('the daemon is gone', () => !isAlive(pid));
  await faulty.disk.unmount();
  await faulty.disk.mount();
  faulty.shim.reboot();
  await faulty.restart();
}
