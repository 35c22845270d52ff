// The peers that register layers: each is given the same uncompressed OCI layout. Each has `register`, which makes
// all layers durable and ready for use and returns the seconds, `clear`, which takes them away, and `stop`.
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { onExit } from './cleanup.mjs';
import { startContainerd } from './containerd.mjs';
import { quietly, run, timed } from './run.mjs';

const LIMIT = { seconds: 300 };

/** umoci unpacks into a directory; of a bundle for runc, that is all it does. */
export function umociPeer(context, layout) {
  const bundle = join(context.disk, 'umoci');
  return {
    register: () =>
      timed('umoci unpack --image "$1:debian" "$2" && sync -f "$2"', [layout.path, bundle], LIMIT),
    clear: () => run(['rm', '-rf', bundle]),
    stop: () => undefined,
  };
}

/** podman pulls from a layout into containers/storage, of its own, with the overlay driver. */
export function podmanPeer(context) {
  const root = join(context.disk, 'podman');
  const state = join(context.base, 'podman');
  mkdirSync(state);
  const policy = join(state, 'policy.json');
  writeFileSync(policy, '{"default":[{"type":"insecureAcceptAnything"}]}');
  const podman = ['podman', '--root', root, '--runroot', state, '--storage-driver', 'overlay'];
  // containers/storage leaves its overlay directory mounted onto itself.
  const stop = onExit(() => {
    quietly(['umount', join(root, 'overlay')]);
    rmSync(root, { recursive: true, force: true });
  });
  // podman names the image after the path that it is given, in which it wants no capitals: a relative one.
  const pull =
    'cd "$1" && p=$2 r=$3; shift 3; "$@" pull -q --signature-policy "$p" oci:layout:debian && sync -f "$r"';
  return {
    register: () => timed(pull, [context.disk, policy, root, ...podman], LIMIT),
    clear: () => run([...podman, 'rmi', '--all', '--force'], LIMIT),
    stop,
  };
}

/** containerd takes a tar of a layout into its content store and unpacks it with the overlayfs snapshotter. */
export async function containerdPeer(context, layout) {
  const { command, stop } = await startContainerd(context);
  const load = 'a=$1; d=$2; shift 2; "$@" images import "$a" && sync -f "$d"';
  return {
    register: () => timed(load, [layout.archive, context.disk, ...command], LIMIT),
    clear: async () => {
      const names = (await run([...command, 'images', 'ls', '-q'])).split('\n').filter(Boolean);
      await run([...command, 'images', 'rm', '--sync', ...names], LIMIT);
    },
    stop,
  };
}
