#!/usr/bin/env -S UV_THREADPOOL_SIZE=16 node
import { isDaemon, launch, launcher } from './background.js';
import { type Configuration, configure, type Invocation } from './configuration.js';
import { exitOf, lineOf, MOUNT_EXIT } from './failure.js';
import { hasThreadPool } from './thread-pool.js';
import { VERSION } from './version.js';

/** cas-mount: mounts a store and serves it. See `cas-mount --help`. */
async function main(): Promise<void> {
  const invocation = { argv: process.argv, env: process.env, cwd: process.cwd(), version: VERSION };
  const configuration = configure(invocation);
  if (typeof configuration === 'string') process.stdout.write(`${configuration}\n`);
  else if (configuration.fake) return;
  else if (isDaemon()) await serveInBackground(configuration, invocation);
  else if (configuration.foreground) await serveHere(configuration, invocation);
  else await launch();
}

async function serveHere(configuration: Configuration, invocation: Invocation): Promise<void> {
  if (!hasThreadPool(process.env)) (await import('./restart.js')).restartWithThreadPool();
  const { serve } = await import('./daemon.js');
  await serve(configuration, invocation, () => Promise.resolve());
}

async function serveInBackground(configuration: Configuration, invocation: Invocation): Promise<void> {
  const { serve } = await import('./daemon.js');
  try {
    await serve(configuration, invocation, launcher.ready);
  } catch (error) {
    // Whoever started us says it; once the mount was ready, the log does.
    await launcher.failed(error);
    process.exitCode = exitOf(error, MOUNT_EXIT.system);
  }
}

try {
  await main();
} catch (error) {
  process.stderr.write(`cas-mount: ${lineOf(error)}\n`);
  process.exitCode = exitOf(error, MOUNT_EXIT.system);
}
process.exit();
