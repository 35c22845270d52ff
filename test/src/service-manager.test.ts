import { closeSync } from 'node:fs';
import path from 'node:path';
import test from 'ava';
import { bind } from '../../store/libc.js';
import { notifyServiceManager } from '../../src/service-manager.js';
import { temporaryDirectory } from '../helpers/temporary.js';

const socket = bind('int socket(int, int, int)');
const bindSocket = bind('int bind(int, const uint8_t *, uint32_t)');
const recv = bind('long recv(int, uint8_t *, size_t, int)');
const MSG_DONTWAIT = 0x40;

/** What arrives at a datagram socket with that address while `use` runs. */
function received(address: string, use: () => void): string {
  const fd = socket(1, 2, 0);
  try {
    const name = Buffer.concat([Buffer.from([1, 0]), Buffer.from(address)]);
    bindSocket(fd, name, name.length);
    use();
    const message = Buffer.alloc(100);
    return message.toString('utf8', 0, recv(fd, message, message.length, MSG_DONTWAIT));
  } finally {
    closeSync(fd);
  }
}

test('systemd is told on a socket with a path', (t) => {
  const name = path.join(temporaryDirectory(t), 'notify');
  t.is(
    received(`${name}\0`, () => notifyServiceManager('READY=1', { NOTIFY_SOCKET: name })),
    'READY=1',
  );
});

test('systemd is told on a socket in the abstract namespace', (t) => {
  const name = `cas-mount-test-${process.pid}`;
  t.is(
    received(`\0${name}`, () => notifyServiceManager('STOPPING=1', { NOTIFY_SOCKET: `@${name}` })),
    'STOPPING=1',
  );
});

test('nobody is told where nobody listens', (t) => {
  t.notThrows(() => notifyServiceManager('READY=1', {}));
  t.throws(() => notifyServiceManager('READY=1', { NOTIFY_SOCKET: '/nowhere/notify' }), { code: 'ENOENT' });
});
