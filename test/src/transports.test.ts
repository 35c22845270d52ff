import test from 'ava';
import type { Transport } from '../../fs/transport/transport.js';
import { Failure } from '../../src/failure.js';
import { chooseTransport } from '../../src/transports.js';

function transport(name: Transport['name'], missing?: string): Transport {
  return { name, unavailable: () => missing, mount: () => Promise.reject(new Error('not here')) };
}

test('auto takes the first transport that can run', (t) => {
  const [kernel, native] = [transport('kernel'), transport('fuse-native')];
  t.is(chooseTransport('auto', [kernel, native]), kernel);
  t.is(chooseTransport('auto', [transport('kernel', 'no /dev/fuse'), native]), native);
  t.is(chooseTransport('fuse-native', [kernel, native]), native);
});

test('where none can run, it is said what each one lacks', (t) => {
  const transports = [transport('kernel', 'no /dev/fuse'), transport('fuse-native', 'no libfuse.so.2')];
  const failure = t.throws(() => chooseTransport('auto', transports), { instanceOf: Failure });
  t.is(failure.exit, 32);
  t.is(failure.message, 'cannot mount here: kernel: no /dev/fuse; fuse-native: no libfuse.so.2');
  t.throws(() => chooseTransport('kernel', transports), {
    message: 'cannot mount here: kernel: no /dev/fuse',
  });
});
