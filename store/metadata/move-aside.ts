import { promises } from 'node:fs';
import { dirname, join } from 'node:path';
import { ensureDirectory, fsyncDirectory, ifPresent, readNames } from '../files.js';

/** How many damaged databases are kept for whoever wants to look into them. */
const KEPT = 3;
const PREFIX = 'meta-';

/** Moves a damaged database into the directory `damaged`, named after this moment. Its new path. */
export async function moveAside(path: string, damaged: string): Promise<string> {
  await ensureDirectory(damaged, 0o700);
  const name = PREFIX + new Date().toISOString().replaceAll(':', '-');
  const there = await readNames(damaged);
  let target = name;
  for (let again = 1; there.includes(target); again++) target = `${name}-${again}`;
  await ifPresent(promises.rename(path, join(damaged, target)));
  await fsyncDirectory(dirname(path));
  const old = [...there.filter((other) => other.startsWith(PREFIX)), target].sort().slice(0, -KEPT);
  for (const other of old)
    await promises.rm(join(damaged, other), { recursive: true, force: true }).catch(() => undefined);
  return join(damaged, target);
}
