import test from 'ava';
import { modelTest } from '../contract/model-test.js';
import { mountedOperations } from '../contract/mounted-operations.js';
import { treeSubject } from '../contract/tree-subject.js';
import { Mount } from './mount.js';
import { AS_ROOT } from './variants.js';

for (const variant of AS_ROOT) {
  let mounting: Promise<Mount> | undefined;
  modelTest(
    {
      name: variant.name,
      serial: true,
      open: async () => {
        const mount = await (mounting ??= Mount.of(variant));
        return treeSubject(mountedOperations(mount.mountpoint, () => mount.restart()));
      },
    },
    // Each restart is a process; those of the store alone are among the unit tests, and cost nothing.
    { runs: 25, steps: 50, restarts: 'rarely' },
  );
  test.serial.after.always(`${variant.name}: unmount`, async (t) => {
    t.timeout(180_000);
    await (await mounting)?.close();
  });
}
