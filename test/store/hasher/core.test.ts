import test from 'ava';
import { CasError } from '../../../store/errors.js';
import { CoreHasher, type HashCore } from '../../../store/hasher/core.js';
import { opensslEngine } from '../../../store/hasher/openssl.js';

const BROKEN = { instanceOf: CasError, code: 'HASH_STATE_INVALID' };

/** A core that writes down what it is given, and fails at data that begins with 255. */
function recordingCore(): HashCore & { readonly calls: string[] } {
  const calls: string[] = [];
  const take = (kind: string, data: Uint8Array): void => {
    if (data[0] === 255) throw new Error('no memory');
    calls.push(`${kind} ${data.length}`);
  };
  return {
    calls,
    pieceSize: 20_000,
    absorb: (data) => take('now', data),
    absorbLater: (data) => Promise.resolve().then(() => take('later', data)),
    digest: () => new Uint8Array(32),
    save: (length) => Uint8Array.of(length),
    wipe: () => calls.push('wipe'),
  };
}

test('large data is hashed in pieces, one after the other', async (t) => {
  const core = recordingCore();
  const hasher = new CoreHasher('sha256', core, 7);
  await hasher.update(new Uint8Array(50_000));
  void hasher.update(new Uint8Array(16_384));
  void hasher.update(new Uint8Array(0));
  t.deepEqual(core.calls, ['later 20000', 'later 20000', 'later 10000', 'now 16384', 'now 0']);
  t.is(hasher.length, 7 + 50_000 + 16_384);
});

test('after an update off the thread has failed, nothing works any more', async (t) => {
  const hasher = new CoreHasher('sha256', recordingCore(), 0);
  const error = await t.throwsAsync(
    async () => hasher.update(new Uint8Array(50_000).fill(255, 20_000)),
    BROKEN,
  );
  t.is(error.errno, 'EIO');
  for (const size of [1, 50_000]) t.throws(() => hasher.update(new Uint8Array(size)), BROKEN);
  t.throws(() => hasher.digest(), BROKEN);
  t.throws(() => hasher.save(), BROKEN);
});

test('after an update on the spot has failed, nothing works any more', (t) => {
  const hasher = new CoreHasher('sha256', recordingCore(), 0);
  t.throws(() => hasher.update(Uint8Array.of(255)), BROKEN);
  t.throws(() => hasher.update(Uint8Array.of(1)), BROKEN);
  t.throws(() => hasher.digest(), BROKEN);
  t.throws(() => hasher.save(), BROKEN);
});

test('a hasher that was disposed of is wiped and refuses everything', async (t) => {
  const core = recordingCore();
  const hasher = new CoreHasher('sha256', core, 0);
  hasher.dispose();
  t.deepEqual(core.calls, ['wipe']);
  t.throws(() => hasher.digest(), BROKEN);
  const real = await opensslEngine.create('sha256');
  real.dispose();
  t.throws(() => real.update(new Uint8Array(1)), BROKEN);
});
