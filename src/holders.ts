import { readdir, readFile, readlink } from 'node:fs/promises';
import { isWithin } from './paths.js';

/** A process that keeps a mount busy. */
export interface Holder {
  readonly pid: number;
  readonly command: string;
  /** Paths below the mountpoint: working directory, root, open and mapped files. */
  readonly paths: readonly string[];
}

const MOST_PATHS = 5;

/**
 * Which processes keep the mount at `mountpoint` busy, as far as /proc shows them to us. Only the paths that the
 * kernel has for their files are read: to stat them would touch the mount, which the daemon that serves it must not.
 */
export async function findHolders(mountpoint: string, proc = '/proc'): Promise<Holder[]> {
  const holders: Holder[] = [];
  for (const pid of (await namesIn(proc)).filter((name) => /^\d+$/.test(name))) {
    const held = await pathsOf(`${proc}/${pid}`);
    const paths = [...new Set(held)].filter((path) => isWithin(path, mountpoint));
    if (paths.length === 0) continue;
    const command = (await textOf(`${proc}/${pid}/comm`)).trim();
    holders.push({ pid: Number(pid), command, paths: paths.slice(0, MOST_PATHS) });
  }
  return holders;
}

async function pathsOf(process: string): Promise<string[]> {
  const descriptors = await namesIn(`${process}/fd`);
  const links = ['cwd', 'root', ...descriptors.map((fd) => `fd/${fd}`)];
  const mapped = (await textOf(`${process}/maps`)).matchAll(/ (\/.*)$/gm);
  return [
    ...(await Promise.all(links.map((link) => linkOf(`${process}/${link}`)))),
    ...[...mapped].map(([, path = '']) => path),
  ];
}

/* A process may end, or belong to somebody else, at any moment: then it holds nothing that we can name. */

async function linkOf(path: string): Promise<string> {
  return readlink(path).catch(() => '');
}

async function textOf(path: string): Promise<string> {
  return readFile(path, 'utf8').catch(() => '');
}

async function namesIn(path: string): Promise<string[]> {
  return readdir(path).catch(() => []);
}
