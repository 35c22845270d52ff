import test from 'ava';
import fc from 'fast-check';
import { ALGORITHMS, type Algorithm, digestOf } from '../../../store/digest.js';
import { CasError } from '../../../store/errors.js';
import { createHasher, emptyDigest, engineFor } from '../../../store/hasher/engines.js';
import type { HashEngine, Hasher } from '../../../store/hasher/hasher.js';
import { opensslEngine } from '../../../store/hasher/openssl.js';
import { wasmEngine } from '../../../store/hasher/wasm.js';
import { content, digestByTool, goStates, updateInParts } from './material.js';

const INVALID = { instanceOf: CasError, code: 'HASH_STATE_INVALID' };
const SIZES = [
  0, 1, 55, 56, 63, 64, 65, 111, 112, 127, 128, 129, 1023, 1024, 1025, 16384, 16385, 1048577, 10485760,
];
const ENGINES: readonly HashEngine[] = [opensslEngine, wasmEngine];
const pairs = ENGINES.flatMap((engine) =>
  ALGORITHMS.filter((algorithm) => engine.supports(algorithm)).map((algorithm) => ({ engine, algorithm })),
);
const data = content(0, Math.max(...SIZES));

for (const { engine, algorithm } of pairs) {
  test(`${engine.name} finds the ${algorithm} that the system's tool finds, however the data is cut`, async (t) => {
    for (const size of SIZES) {
      const part = data.subarray(0, size);
      const expected = digestByTool(algorithm, part);
      const cuts = fc.array(fc.nat({ max: size }), { maxLength: 12 });
      const property = fc.asyncProperty(cuts, async (cuts) => {
        const hasher = await engine.create(algorithm);
        await updateInParts(hasher, part, cuts);
        t.is(hasher.length, size);
        t.is(hasher.digest(), expected);
        hasher.dispose();
      });
      await fc.assert(property, { numRuns: size > 1_000_000 ? 3 : 20, examples: [[[]]] });
    }
  });

  test(`${engine.name} goes on hashing ${algorithm} after a digest and after a save`, async (t) => {
    const hasher = await engine.create(algorithm);
    let at = 0;
    for (const end of [0, 1, 64, 200, 1024, 5000, 40_000]) {
      await hasher.update(data.subarray(at, end));
      at = end;
      const digest = hasher.digest();
      t.is(digest, digestByTool(algorithm, data.subarray(0, end)));
      const state = hasher.save();
      t.deepEqual(hasher.save(), state);
      t.is(hasher.digest(), digest);
    }
  });

  test(`${engine.name} hashes ${algorithm} of up to 16 KiB at once and more off the main thread`, async (t) => {
    const hasher = await engine.create(algorithm);
    t.is(hasher.update(data.subarray(0, 16384)), undefined);
    t.is(hasher.length, 16384);
    const update = hasher.update(data.subarray(16384, 32769));
    t.true(update instanceof Promise);
    await update;
    t.is(hasher.length, 32769);
    t.is(hasher.digest(), digestByTool(algorithm, data.subarray(0, 32769)));
  });

  test(`${engine.name} keeps three hundred hashes of ${algorithm} apart that are under way at once`, async (t) => {
    const expected = [0, 1, 2].map((kind) => digestByTool(algorithm, part(kind)));
    const digests = Array.from({ length: 300 }, async (_, index) => {
      const hasher = await engine.create(algorithm);
      await hasher.update(part(index % 3));
      return hasher.digest();
    });
    const repeated = Array.from({ length: 100 }, () => expected).flat();
    t.deepEqual(await Promise.all(digests), repeated);
  });

  test(`${engine.name} refuses a ${algorithm} state that is cut, empty, or of another algorithm`, async (t) => {
    const hasher = await engine.create(algorithm);
    await hasher.update(data.subarray(0, 100));
    const state = hasher.save();
    for (const size of [0, 1, 8, state.length - 1]) {
      await t.throwsAsync(engine.create(algorithm, state.subarray(0, size)), INVALID);
    }
    await t.throwsAsync(engine.create(algorithm, Buffer.concat([state, state])), INVALID);
    const others = ALGORITHMS.filter((other) => other !== algorithm);
    for (const other of others) {
      await t.throwsAsync(engine.create(algorithm, (await createHasher(other)).save()), INVALID);
    }
    for (const foreign of Object.values(goStates.foreign)) {
      await t.throwsAsync(engine.create(algorithm, Buffer.from(foreign, 'hex')), INVALID);
    }
  });

  test(`${engine.name} takes a ${algorithm} state without keeping or changing it`, async (t) => {
    const first = await engine.create(algorithm);
    await first.update(data.subarray(0, 1000));
    const state = first.save();
    const copy = Buffer.from(state);
    const second = await engine.create(algorithm, state);
    await second.update(data.subarray(1000, 1100));
    second.dispose();
    t.deepEqual(Buffer.from(state), copy);
    const third = await engine.create(algorithm, state);
    state.fill(0);
    t.is(third.digest(), digestByTool(algorithm, data.subarray(0, 1000)));
  });
}

function part(kind: number): Buffer {
  return data.subarray(kind, 20_000 + 30_000 * kind);
}

for (const algorithm of ALGORITHMS) {
  test(`a ${algorithm} saved by one engine is continued by another at any offset`, async (t) => {
    const engines = ENGINES.filter((engine) => engine.supports(algorithm));
    const size = fc.oneof(fc.nat({ max: 300 }), fc.nat({ max: 40_000 }), fc.nat({ max: 2_500_000 }));
    const steps = fc.array(fc.record({ size, engine: fc.constantFrom(...engines) }), {
      minLength: 1,
      maxLength: 8,
    });
    const property = fc.asyncProperty(steps, async (steps) => {
      let hasher: Hasher = await createHasher(algorithm);
      for (const { size, engine } of steps) {
        const state = hasher.save();
        const length = hasher.length;
        hasher.dispose();
        hasher = await engine.create(algorithm, state);
        t.is(hasher.length, length);
        t.deepEqual(Buffer.from(hasher.save()), Buffer.from(state));
        await hasher.update(data.subarray(length, Math.min(length + size, data.length)));
      }
      t.is(hasher.digest(), digestByTool(algorithm, data.subarray(0, hasher.length)));
    });
    await fc.assert(property, { numRuns: 25 });
  });

  test(`the digest of no ${algorithm} input is the one of the system's tool`, async (t) => {
    t.is(emptyDigest(algorithm), digestByTool(algorithm, Buffer.alloc(0)));
    t.is((await createHasher(algorithm)).digest(), emptyDigest(algorithm));
  });
}

for (const { engine, algorithm } of pairs.filter(({ algorithm }) => algorithm !== 'blake3')) {
  test(`${engine.name} continues Go's ${algorithm} states as Go does, past 2^32 bits and bytes`, async (t) => {
    const vectors = goStates.vectors.filter((vector) => vector.algorithm === algorithm);
    t.true(vectors.some(({ length, real }) => real && length > 2 ** 32));
    for (const { length, state, digest, tail, tailState, tailDigest } of vectors) {
      const rest = content(length, length + tail);
      for (const cuts of [[], [1, 100, 150], Array.from({ length: 40 }, (_, index) => 2003 * index)]) {
        const hasher = await engine.create(algorithm, Buffer.from(state, 'hex'));
        t.is(hasher.length, length);
        t.is(hasher.digest(), digestOf(algorithm, digest));
        t.is(Buffer.from(hasher.save()).toString('hex'), state);
        await updateInParts(
          hasher,
          rest,
          cuts.filter((cut) => cut < tail),
        );
        t.is(hasher.length, length + tail);
        t.is(Buffer.from(hasher.save()).toString('hex'), tailState);
        t.is(hasher.digest(), digestOf(algorithm, tailDigest));
      }
    }
  });
}

test('openssl is chosen where it has the algorithm, and hash-wasm where asked for or needed', (t) => {
  const chosen = (algorithm: Algorithm, preferred?: 'openssl' | 'hash-wasm' | 'auto'): string =>
    engineFor(algorithm, preferred).name;
  t.is(chosen('sha256'), 'openssl');
  t.is(chosen('sha512', 'auto'), 'openssl');
  t.is(chosen('sha512', 'hash-wasm'), 'hash-wasm');
  t.is(chosen('blake3'), 'hash-wasm');
  t.is(chosen('blake3', 'openssl'), 'hash-wasm');
});

test('openssl says that it has no blake3, and fails when asked for it', async (t) => {
  t.false(opensslEngine.supports('blake3'));
  await t.throwsAsync(opensslEngine.create('blake3'), { instanceOf: CasError, code: 'ALGORITHM_UNKNOWN' });
});
