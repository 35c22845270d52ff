import { spawn } from 'node:child_process';

/** How a filesystem behaves when it is asked: it answers, refuses with an error, or does not answer in time. */
export type Liveness = 'answers' | 'fails' | 'hangs';

/**
 * Asks the filesystem at `path` for statfs(2), which no cache can answer. A process of its own does it: a call into a
 * hanging FUSE daemon cannot be interrupted, and would take one of our threads with it.
 */
export async function probe(path: string, milliseconds: number): Promise<Liveness> {
  // Node itself takes 40 ms for it, stat(1) 3, but a small container may not have that.
  return (
    (await ask('/usr/bin/stat', ['-f', '--', path], milliseconds)) ??
    (await ask(process.execPath, ['-e', 'fs.statfsSync(process.argv[1])', path], milliseconds)) ??
    'fails'
  );
}

/** Undefined where the program cannot be run. */
function ask(program: string, args: readonly string[], milliseconds: number): Promise<Liveness | undefined> {
  return new Promise((resolve) => {
    const child = spawn(program, args, { stdio: 'ignore' });
    const settle = (liveness: Liveness | undefined): void => {
      clearTimeout(timer);
      resolve(liveness);
    };
    const timer = setTimeout(() => {
      child.kill('SIGKILL');
      child.unref();
      resolve('hangs');
    }, milliseconds);
    child.on('exit', (code) => settle(code === 0 ? 'answers' : 'fails'));
    child.on('error', () => settle(undefined));
  });
}
