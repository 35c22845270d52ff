// Child processes: every one is bounded in time and carries a mark by which it is found again.
import { spawn, spawnSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { closeSync, openSync, readdirSync, readFileSync } from 'node:fs';
import { onExit } from './cleanup.mjs';

const MARK = `CAS_BENCH_RUN=${randomUUID()}`;
/** The unprivileged user of the rows that need one: nobody. */
export const USER = 65534;

const environment = { ...process.env, LC_ALL: 'C', CAS_BENCH_RUN: MARK.slice(MARK.indexOf('=') + 1) };

onExit(() => pidsOfRun().forEach((pid) => kill(pid, 'SIGKILL')));

function asUser(command, user) {
  if (!user) return command;
  return ['setpriv', `--reuid=${USER}`, `--regid=${USER}`, '--clear-groups', ...command];
}

/**
 * Runs `command` to its end and returns its standard output.
 * Options: `user` (drop privileges), `seconds` (limit), `input` (file for standard input),
 * `log` (file that gets the standard error, for programs that go on in the background).
 */
export function run(command, { user = false, seconds = 120, input = '/dev/null', log, env = {} } = {}) {
  const [program, ...args] = asUser(command, user);
  const stdin = openSync(input, 'r');
  const stderr = log ? openSync(log, 'a') : 'pipe';
  const child = spawn(program, args, {
    stdio: [stdin, log ? 'ignore' : 'pipe', stderr],
    env: { ...environment, ...env },
    cwd: '/',
  });
  closeSync(stdin);
  if (log) closeSync(stderr);
  let output = '';
  let errors = '';
  child.stdout?.setEncoding('utf8').on('data', (chunk) => (output += chunk));
  child.stderr?.setEncoding('utf8').on('data', (chunk) => (errors += chunk));
  return new Promise((resolve, reject) => {
    const limit = setTimeout(() => {
      child.kill('SIGKILL');
      reject(new Error(`${command.join(' ')}: not done after ${seconds} s`));
    }, seconds * 1000);
    child.on('error', (error) => {
      clearTimeout(limit);
      reject(error);
    });
    // A program that goes on in the background keeps the log open, so its launcher's exit counts, not 'close'.
    child.on(log ? 'exit' : 'close', (code, signal) => {
      clearTimeout(limit);
      if (code === 0) resolve(output);
      else
        reject(
          new Error(
            `${command.join(' ')}: ${signal ?? `exit code ${code}`} ${(log ? tail(log) : errors).trim()}`,
          ),
        );
    });
  });
}

function tail(file) {
  return readFileSync(file, 'utf8').trimEnd().split('\n').slice(-3).join(' ');
}

/** Seconds that a shell line takes; `$1`, `$2`… in it are `args`. Its output is dropped. */
export async function timed(line, args = [], options = {}) {
  const script = `s=$EPOCHREALTIME; { ${line}\n} >/dev/null || exit; e=$EPOCHREALTIME; echo $(( \${e/./} - \${s/./} ))`;
  return Number(await run(['bash', '-c', script, 'bench', ...args], options)) / 1e6;
}

/** Starts a program that stays in the foreground; its output goes to `log`. */
export function serve(command, { user = false, log } = {}) {
  const [program, ...args] = asUser(command, user);
  const out = openSync(log, 'a');
  const child = spawn(program, args, { stdio: ['ignore', out, out], env: environment, cwd: '/' });
  closeSync(out);
  child.on('error', () => undefined);
  return child;
}

/** Runs a short command synchronously, for clean-up; its failure is its result. */
export function quietly(command) {
  return spawnSync(command[0], command.slice(1), { timeout: 20_000, stdio: 'ignore' }).status === 0;
}

export function kill(pid, signal) {
  try {
    process.kill(pid, signal);
  } catch {
    // It has ended already.
  }
}

/** Processes of this run, also those that went into the background, whose command line holds `word`. */
export function pidsOfRun(word = '') {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && isOurs(name, word))
    .map(Number);
}

function isOurs(pid, word) {
  try {
    return (
      readFileSync(`/proc/${pid}/environ`, 'latin1').split('\0').includes(MARK) &&
      readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').includes(word)
    );
  } catch {
    return false;
  }
}

export function sleep(milliseconds) {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

/** Waits until `condition` holds. */
export async function until(condition, what, seconds = 15) {
  const end = Date.now() + seconds * 1000;
  while (!(await condition())) {
    if (Date.now() > end) throw new Error(`${what}: not after ${seconds} s`);
    await sleep(5);
  }
}
