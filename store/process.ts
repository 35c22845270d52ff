import { readFileSync } from 'node:fs';
import { UNSAFE } from './unsafe.js';

/** A process as a person knows it. */
export interface ProcessName {
  readonly pid: number;
  /** Undefined where it has ended, or cannot be seen by us. */
  readonly command: string | undefined;
}

/** TASK_COMM_LEN is 16; only threads of the kernel have longer names, up to 64. */
const COMMAND_MAX = 64;

/**
 * The process that a thread belongs to, and what it is called now. The kernel tells FUSE of the thread that called,
 * which has a number of its own unless it is the first of its process.
 */
export function processOf(thread: number, proc = '/proc'): ProcessName {
  const pid = processId(thread, proc);
  // A process may give itself any name.
  const name = textOf(`${proc}/${pid}/comm`).replace(/\n$/, '').replace(UNSAFE, '\ufffd');
  return { pid, command: name === '' ? undefined : name.slice(0, COMMAND_MAX) };
}

/**
 * What tells a process from all others, also from one that has its number later; undefined where it cannot be seen, as
 * from another pid namespace. `thread` is one of its own.
 */
export function processKey(thread: number, proc = '/proc'): string | undefined {
  if (thread === 0) return undefined;
  const pid = processId(thread, proc);
  // The fields follow the command, which is in parentheses and may hold any; the start is the 22nd of all.
  const start = textOf(`${proc}/${pid}/stat`).replace(/^.*\)/s, '').split(' ')[20];
  return start === undefined ? undefined : `${pid} ${start}`;
}

function processId(thread: number, proc: string): number {
  const group = /^Tgid:\s*(\d+)$/m.exec(textOf(`${proc}/${thread}/status`))?.[1];
  return group === undefined ? thread : Number(group);
}

/* A process may end, or belong to somebody whom we may not look at, at any moment. */
function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
