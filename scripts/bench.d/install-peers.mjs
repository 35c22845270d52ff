// The peers that are not installed with the packages of the tests, because they are large.
import { run } from './run.mjs';

const PACKAGES = {
  skopeo: 'skopeo',
  podman: 'podman',
  containerd: 'containerd',
  umoci: 'umoci',
  'tar-split': 'tar-split',
};

/** Installs what is missing of them with apt-get, as root. */
export async function installPeers(context) {
  const missing = [];
  for (const [name, command] of Object.entries(PACKAGES)) {
    const there = await run(['sh', '-c', 'command -v "$1"', 'sh', command]).catch(() => undefined);
    if (!there) missing.push(name);
  }
  if (missing.length === 0) return;
  context.progress(`installing ${missing.join(' ')}`);
  const apt = ['apt-get', '-q', '-y', '-o', 'DPkg::Lock::Timeout=300'];
  const options = { seconds: 600, env: { DEBIAN_FRONTEND: 'noninteractive' } };
  await run([...apt, 'update'], options);
  await run([...apt, 'install', '--no-install-recommends', ...missing], options);
}
