import { isAlive, until } from '../src/process/site.js';
import type { Faulty } from './faulty.js';

/** What a power cut does beside losing what is not on the disk, once that has happened; then starts everything again. */
export async function startAfterCut(faulty: Faulty, pid: number): Promise<void> {
  if (isAlive(pid)) process.kill(pid, 'SIGKILL');
  await until('the daemon is gone', () => !isAlive(pid));
  await faulty.disk.unmount();
  await faulty.disk.mount();
  faulty.shim.reboot();
  await faulty.restart();
}
