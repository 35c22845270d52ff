// containerd's content store: a daemon of its own, on the disk that is measured.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { onExit } from './cleanup.mjs';
import { kill, run, serve, until } from './run.mjs';

/** Starts containerd and returns functions that ingest and remove content, and stop it. */
export async function startContainerd(context) {
  const root = join(context.disk, 'containerd');
  const state = join(context.base, 'containerd');
  mkdirSync(root, { recursive: true });
  mkdirSync(state, { recursive: true });
  const socket = join(state, 's');
  const config = join(state, 'config.toml');
  writeFileSync(
    config,
    `version = 2
root = "${root}"
state = "${join(state, 'state')}"
disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs", "io.containerd.snapshotter.v1.aufs"]
[grpc]
  address = "${socket}"
`,
  );
  const child = serve(['containerd', '--config', config], { log: join(context.base, 'containerd.log') });
  const stop = onExit(() => kill(child.pid, 'SIGTERM'));
  const ctr = ['ctr', '-a', socket, '-n', 'bench'];
  const answers = () =>
    run([...ctr, 'content', 'ls', '-q'], { seconds: 10 }).then(
      () => true,
      () => false,
    );
  await until(
    async () => {
      if (child.exitCode !== null || child.pid === undefined) throw new Error('containerd did not start');
      return answers();
    },
    'containerd answers',
    30,
  );
  return {
    command: ctr,
    remove: (hex) => run([...ctr, 'content', 'rm', `sha256:${hex}`]),
    stop,
  };
}
