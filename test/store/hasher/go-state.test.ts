import test from 'ava';
import { CasError } from '../../../store/errors.js';
import { SHA, decodeGoState, encodeGoState } from '../../../store/hasher/go-state.js';
import { goStates } from './material.js';

const INVALID = { instanceOf: CasError, code: 'HASH_STATE_INVALID' };
const vectors = goStates.vectors.flatMap(({ algorithm, length, tail, state, tailState }) => [
  { algorithm, length, state: Buffer.from(state, 'hex') },
  { algorithm, length: length + tail, state: Buffer.from(tailState, 'hex') },
]);

test('a state that Go saved is written back byte for byte', (t) => {
  for (const { algorithm, length, state } of vectors) {
    const decoded = decodeGoState(algorithm, state);
    t.is(decoded.length, length);
    t.deepEqual(encodeGoState(algorithm, decoded), state);
  }
});

test('whatever stands in the block buffer past the tail is read over', (t) => {
  for (const { algorithm, length, state } of vectors) {
    const { word, block } = SHA[algorithm];
    const dirty = Buffer.from(state);
    dirty.fill(0xa5, 4 + 8 * word + (length % block), state.length - 8);
    t.deepEqual(encodeGoState(algorithm, decodeGoState(algorithm, dirty)), state);
  }
});

test('a state of another member of the SHA-2 family is refused, whatever its size', (t) => {
  const others = Object.values(goStates.foreign).map((hex) => Buffer.from(hex, 'hex'));
  t.is(others.length, 4);
  for (const state of others) {
    t.throws(() => decodeGoState('sha256', state), INVALID);
    t.throws(() => decodeGoState('sha512', state), INVALID);
  }
  for (const { algorithm, state } of vectors) {
    t.throws(() => decodeGoState(algorithm === 'sha256' ? 'sha512' : 'sha256', state), INVALID);
  }
});

test('a state that is cut, extended, or has a damaged magic is refused', (t) => {
  for (const { algorithm, state } of vectors) {
    for (const size of [0, 1, 4, state.length - 1]) {
      t.throws(() => decodeGoState(algorithm, state.subarray(0, size)), INVALID);
    }
    t.throws(() => decodeGoState(algorithm, Buffer.concat([state, Buffer.alloc(1)])), INVALID);
    for (const place of [0, 1, 2, 3]) {
      const damaged = Buffer.from(state);
      damaged.writeUInt8(damaged.readUInt8(place) ^ 0x10, place);
      t.throws(() => decodeGoState(algorithm, damaged), INVALID);
    }
  }
});

test('a length is read up to 2^53 - 1 and refused beyond', (t) => {
  for (const { algorithm, state } of vectors) {
    const long = Buffer.from(state);
    long.writeBigUInt64BE(2n ** 53n - 1n, long.length - 8);
    t.is(decodeGoState(algorithm, long).length, Number.MAX_SAFE_INTEGER);
    for (const length of [2n ** 53n, 2n ** 64n - 1n]) {
      long.writeBigUInt64BE(length, long.length - 8);
      t.throws(() => decodeGoState(algorithm, long), INVALID);
    }
  }
});

test('a state is read from any place in a larger buffer', (t) => {
  for (const { algorithm, state } of vectors.slice(0, 8)) {
    const larger = Buffer.concat([Buffer.alloc(3, 1), state, Buffer.alloc(5, 2)]);
    const view = new Uint8Array(larger.buffer, larger.byteOffset + 3, state.length);
    t.deepEqual(decodeGoState(algorithm, view), decodeGoState(algorithm, state));
  }
});
