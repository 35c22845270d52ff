import fs from 'node:fs';
import { constants } from 'node:os';

/** What is done to a file. */
export interface DiskCall {
  readonly name: 'create' | 'datasync' | 'read' | 'rename' | 'sync' | 'truncate' | 'unlink' | 'write';
  /** Of a rename, the new one. */
  readonly path: string;
  /** Where the bytes begin that are read or changed. */
  readonly at: number;
}

/** The error it returns is what the call fails with; a call that is not made at once waits for its promise. */
type Watcher = (call: DiskCall) => Error | Promise<void> | undefined;
type Call = (...args: unknown[]) => unknown;
type Functions = Record<string, Call>;

let watcher: Watcher | undefined;

/**
 * Tells `watching` of every call that reads, changes or syncs a file, before it is made. The store takes its functions from node:fs when it is imported: import this before it.
 */
export function watchDisk(watching: Watcher | undefined): void {
  watcher = watching;
}

/** An error as a system call's. */
export function failing(code: keyof typeof constants.errno): NodeJS.ErrnoException {
  return Object.assign(new Error(`${code}: made up`), {
    code,
    errno: -constants.errno[code],
    syscall: 'none',
  });
}

function pathOf(file: unknown): string {
  if (typeof file !== 'number') return String(file);
  try {
    return fs.readlinkSync(`/proc/self/fd/${file}`).replace(/ \(deleted\)$/, '');
  } catch {
    return `descriptor ${file}`;
  }
}

function tell(name: DiskCall['name'], file: unknown, at: unknown = 0): Error | Promise<void> | undefined {
  return watcher?.({ name, path: pathOf(file), at: typeof at === 'number' ? at : 0 });
}

type Kind = 'now' | 'callback' | 'promise';

function replace(
  functions: unknown,
  name: string,
  kind: Kind,
  call: DiskCall['name'],
  [file, at]: readonly [number, number?] = [0],
): void {
  const target = functions as Functions;
  const original = target[name];
  if (original === undefined) throw new Error(`no ${name}`);
  const done: Call = original.bind(target);
  target[name] = (...args) => {
    const told = tell(call, args[file], at === undefined ? undefined : args[at]);
    if (told instanceof Error) {
      if (kind === 'now') throw told;
      if (kind === 'promise') return Promise.reject(told);
      process.nextTick(args.at(-1) as Call, told);
      return;
    }
    return kind === 'now' || told === undefined ? done(...args) : told.then(() => done(...args));
  };
}

replace(fs, 'read', 'callback', 'read', [0, 4]);
replace(fs, 'writeSync', 'now', 'write', [0, 4]);
replace(fs, 'write', 'callback', 'write', [0, 4]);
replace(fs, 'ftruncate', 'callback', 'truncate', [0, 1]);
replace(fs, 'fsync', 'callback', 'sync');
replace(fs, 'fsyncSync', 'now', 'sync');
replace(fs, 'fdatasync', 'callback', 'datasync');
replace(fs, 'unlink', 'callback', 'unlink');
replace(fs, 'unlinkSync', 'now', 'unlink');
replace(fs, 'rename', 'callback', 'rename', [1]);
replace(fs, 'renameSync', 'now', 'rename', [1]);
replace(fs.promises, 'rename', 'promise', 'rename', [1]);
replace(fs.promises, 'rm', 'promise', 'unlink');
replace(fs.promises, 'unlink', 'promise', 'unlink');
replace(fs.promises, 'writeFile', 'promise', 'create');
