import { fchmodSync } from 'node:fs';
import type { Ingest } from './ingest.js';

/**
 * chmod(2) of an ingest.
 * @throws CasError INGEST_SEALED
 */
export async function setPermissions(ingest: Ingest, permissions: number): Promise<void> {
  ingest.checkOpen();
  if (await ingest.keeper.keepPermissions(permissions)) return;
  await alter(ingest, (fd) => fchmodSync(fd, permissions));
}

/**
 * Changes attributes of an ingest's open data file. `change` is one step, so that none of it can follow a seal.
 * @throws CasError INGEST_SEALED
 */
export async function alter(ingest: Ingest, change: (fd: number) => void): Promise<void> {
  ingest.checkOpen();
  await ingest.using(async () => {
    const fd = await ingest.open();
    ingest.checkOpen();
    change(fd);
  });
}
