import { setImmediate } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import type { Name } from '../../../../fs/node.js';
import { Notices } from '../../../../fs/transport/kernel/notices.js';
import { OPCODE } from '../../../../fs/transport/kernel/protocol.js';
import { MemoryDirectory } from '../../memory-tree.js';
import { type Bench, bench, names, request, u32, u64 } from './requests.js';

const INVAL_INODE = 2;
const INVAL_ENTRY = 3;

/** A bench whose lookups wait until they are let go of. */
function waitingBench(t: ExecutionContext): { made: Bench; release: () => void } {
  let release = (): void => undefined;
  const gate = new Promise<undefined>((resolve) => (release = () => resolve(undefined)));
  const root = new (class extends MemoryDirectory {
    override lookup(): Promise<undefined> {
      return gate;
    }
  })();
  return { made: bench(t, root), release };
}

/** Waits until so many messages were sent; the test's own time limit bounds it. */
async function sentCount({ sent }: Bench, count: number): Promise<ReturnType<Bench['sent']>> {
  while (sent().length < count) await setImmediate();
  return sent();
}

test('notices are laid out as the kernel wants them', async (t) => {
  const made = bench(t, new MemoryDirectory());
  const notices = new Notices(made.device, made.dispatcher);
  notices.invalidateEntry(7, 'name' as Name);
  notices.invalidateNode(9);
  t.deepEqual(made.sent(), []);
  t.deepEqual(await sentCount(made, 2), [
    { error: INVAL_ENTRY, unique: 0, payload: Buffer.concat([u64(7), u32(4, 0), names('name')]) },
    { error: INVAL_INODE, unique: 0, payload: u64(9, 0, 0) },
  ]);
});

test('a notice waits for the answer to requests on its node, and holds up no other', async (t) => {
  const { made, release } = waitingBench(t);
  const notices = new Notices(made.device, made.dispatcher);
  made.dispatcher.dispatch(request(OPCODE.LOOKUP, 2, 1, names('a')));
  notices.invalidateEntry(1, 'a' as Name);
  notices.invalidateNode(9);
  t.deepEqual(
    (await sentCount(made, 1)).map(({ error }) => error),
    [INVAL_INODE],
  );
  for (let round = 0; round < 20; round++) await setImmediate();
  t.is(made.sent().length, 1);
  release();
  const order = (await sentCount(made, 3)).map(({ unique }) => unique);
  t.deepEqual(order, [0, 2, 0]);
  await notices.stop();
});
