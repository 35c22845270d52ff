import test from 'ava';
import { systemError } from '../../store/libc.js';
import type { Log } from '../../src/log.js';
import type { Service } from '../../src/service.js';
import { Shutdown } from '../../src/shutdown.js';

const BUSY = systemError('umount', 16);

/** A service whose unmounts end as told, one after the other, and a log; what happens is written down. */
function setUp(
  results: readonly (Error | undefined)[],
  pending = 0,
): { shutdown: Shutdown; events: string[]; settled: Promise<void> } {
  const events: string[] = [];
  const left = [...results];
  let settle = (): void => undefined;
  const settled = new Promise<void>((resolve) => (settle = resolve));
  const service = {
    mounted: {
      pending,
      unmount: (lazy: boolean) => {
        events.push(lazy ? 'detach' : 'unmount');
        const error = left.length > 1 ? left.shift() : left[0];
        if (error) return Promise.reject(error);
        settle();
        return Promise.resolve();
      },
    },
    abort: () => events.push('abort'),
  };
  const write = (_: object, message: string): void => {
    events.push(message);
    if (message.startsWith('the mount is busy') || message.endsWith('failed')) settle();
  };
  const log = { info: () => undefined, warn: write, error: write };
  const shutdown = new Shutdown(service as unknown as Service, log as unknown as Log, () =>
    Promise.resolve([]),
  );
  return { shutdown, events, settled };
}

test('the first request unmounts', async (t) => {
  const { shutdown, events, settled } = setUp([undefined]);
  t.false(shutdown.requested);
  shutdown.request('SIGTERM');
  await settled;
  t.true(shutdown.requested);
  t.deepEqual(events, ['unmount']);
});

test('somebody who holds the mount for a moment is waited out', async (t) => {
  const { shutdown, events, settled } = setUp([BUSY, BUSY, undefined]);
  shutdown.request('SIGTERM');
  await settled;
  t.deepEqual(events, ['unmount', 'unmount', 'unmount']);
});

test('a mount that stays busy stays, until a second request detaches it and a third aborts', async (t) => {
  const { shutdown, events, settled } = setUp([BUSY]);
  shutdown.request('SIGTERM');
  await settled;
  t.is(events.at(-1), 'the mount is busy and stays; a second signal detaches it');
  events.length = 0;
  shutdown.request('SIGTERM');
  shutdown.request('SIGTERM');
  t.deepEqual(events, ['detach', 'abort']);
});

test('an unmount that fails otherwise is not tried again', async (t) => {
  const { shutdown, events, settled } = setUp([new Error('no fusermount3')]);
  shutdown.request('SIGTERM');
  await settled;
  t.deepEqual(events, ['unmount', 'unmounting failed']);
});
