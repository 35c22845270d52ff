import fs from 'node:fs';
import test from 'ava';
import { loopDevicesOf, mountsBelow, processesNaming } from '../helpers/left-behind.js';
import { Faulty } from './faulty.js';
import { LIMIT, VARIANTS } from './form.js';
import { program } from './program.js';

/*
 * A test that fails leaves its mount as it is then. One failure must not become two, nor disturb the tests that follow:
 * whatever the state, the daemon, the clients, the mounts and the loop device are gone once the test has been torn down.
 */

/** What a test may have done to its mount when it fails. */
const STATES: Readonly<Record<string, (faulty: Faulty) => Promise<unknown>>> = {
  'while a client is at work': () => Promise.resolve(),
  'with the power cut': async ({ mount, disk }) =>
    mount.run('"$power" "$disk" > /dev/null', { power: await program('power'), disk: disk.path }),
  'with the daemon killed': ({ mount }) => mount.kill(),
  'with a daemon that hangs': async ({ mount }) => {
    process.kill(mount.site.daemon, 'SIGSTOP');
    mount.start('exec ls blobs/sha256');
    return Promise.resolve();
  },
  'with a mount that was detached': ({ mount }) => mount.run('umount -l "$mountpoint"'),
};

for (const variant of VARIANTS.slice(0, 1))
  for (const [state, reach] of Object.entries(STATES))
    test.serial(`a test that fails ${state} leaves nothing behind`, async (t) => {
      t.timeout(LIMIT);
      const teardowns: (() => unknown)[] = [];
      const tearDown = async (): Promise<void> => {
        for (const teardown of teardowns.splice(0).reverse())
          await Promise.resolve(teardown()).catch(() => undefined);
      };
      t.teardown(tearDown);
      const failing = Object.create(t, {
        teardown: { value: (teardown: () => unknown) => teardowns.push(teardown) },
      }) as typeof t;
      const faulty = await Faulty.of(failing, variant);
      const { mount, disk } = faulty;
      const writes = 'echo open; while true; do cp "$src" ingest/x; done 2> /dev/null';
      const client = mount.start(`exec 3> ingest/held; ${writes}`, await faulty.case(100_000));
      await new Promise((resolve) => client.stdout?.once('data', resolve));
      await reach(faulty);
      const { directory } = mount.site;
      await tearDown();
      t.deepEqual(processesNaming(directory), []);
      t.deepEqual([...mountsBelow(directory), ...mountsBelow(disk.path.replace(/\/disk$/, ''))], []);
      t.deepEqual(loopDevicesOf(disk.path.replace(/disk$/, 'image')), []);
      t.false(fs.existsSync(directory) || fs.existsSync(disk.path));
    });
