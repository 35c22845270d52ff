import { spawnSync } from 'node:child_process';
import test from 'ava';
import { CasError } from '../../../store/errors.js';
import {
  decodeBlake3State,
  decodeShaImage,
  encodeBlake3State,
  encodeShaImage,
} from '../../../store/hasher/wasm-image.js';
import { advance, instanceOf } from '../../../store/hasher/wasm-instance.js';
import { JOB_SIZE, advanceOnThread } from '../../../store/hasher/wasm-thread.js';
import { wasmEngine } from '../../../store/hasher/wasm.js';
import { content, digestByTool } from './material.js';

const INVALID = { instanceOf: CasError, code: 'HASH_STATE_INVALID' };

test('damage to any byte of a blake3 state is noticed', async (t) => {
  const hasher = await wasmEngine.create('blake3');
  await hasher.update(content(0, 5000));
  const state = hasher.save();
  for (const place of state.keys()) {
    const damaged = Uint8Array.from(state, (byte, index) => (index === place ? byte ^ 0x40 : byte));
    await t.throwsAsync(wasmEngine.create('blake3', damaged), INVALID);
  }
});

test('a blake3 state of another release of hash-wasm is refused', async (t) => {
  const fresh = (await instanceOf('blake3')).init().save();
  const image = Uint8Array.from(fresh, (byte, index) => (index < 4 ? byte ^ 1 : byte));
  t.throws(() => decodeBlake3State(encodeBlake3State(image, 0), fresh), INVALID);
  t.throws(() => decodeBlake3State(encodeBlake3State(fresh, 0), fresh.subarray(8)), INVALID);
  t.is(decodeBlake3State(encodeBlake3State(fresh, 77), fresh).length, 77);
});

for (const algorithm of ['sha256', 'sha512'] as const) {
  test(`the ${algorithm} image of another release of hash-wasm is neither read nor written`, async (t) => {
    const fresh = (await instanceOf(algorithm)).init().save();
    const state = decodeShaImage(algorithm, fresh, 0);
    t.deepEqual(encodeShaImage(algorithm, state, fresh), Buffer.from(fresh));
    const renamed = Uint8Array.from(fresh, (byte, index) => (index === 2 ? byte ^ 1 : byte));
    for (const other of [renamed, fresh.subarray(0, -8), Buffer.concat([fresh, Buffer.alloc(8)])]) {
      t.throws(() => decodeShaImage(algorithm, other, 0), INVALID);
      t.throws(() => encodeShaImage(algorithm, state, other), INVALID);
    }
  });
}

test('a job that fails ends the thread, and the next job finds a new one', async (t) => {
  const instance = await instanceOf('blake3');
  const fresh = instance.init().save();
  const data = content(0, JOB_SIZE);
  const expected = advance(instance, fresh, data);
  const broken = advanceOnThread('blake3', fresh.subarray(1), data);
  const sound = advanceOnThread('blake3', fresh, data);
  await t.throwsAsync(broken, { any: true, message: /state length/ });
  t.deepEqual(await sound, expected);
  t.deepEqual(await advanceOnThread('blake3', fresh, data), expected);
});

test('the thread keeps the process alive while it hashes, and no longer', (t) => {
  const program = `
    const { wasmEngine } = await import(process.argv[1]);
    const hasher = await wasmEngine.create('blake3');
    await hasher.update(Buffer.alloc(5_000_000, 1));
    await hasher.update(Buffer.alloc(5_000_000, 1));
    process.stdout.write(hasher.digest());
  `;
  const engine = new URL('../../../store/hasher/wasm.js', import.meta.url).href;
  const { status, signal, stdout } = spawnSync(
    process.execPath,
    ['--input-type=module', '--eval', program, engine],
    { timeout: 60_000, encoding: 'utf8' },
  );
  t.is(signal, null);
  t.is(status, 0);
  t.is(stdout, digestByTool('blake3', Buffer.alloc(10_000_000, 1)));
});
