import test from 'ava';
import {
  algorithmOf,
  ALGORITHMS,
  digestFromBytes,
  digestOf,
  HEX_LENGTH,
  hexOf,
  isDigest,
  isHexOf,
  parseAlgorithm,
  parseDigest,
} from '../../store/digest.js';
import { errnoFrom } from '../helpers/errno.js';

const SHA256 = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';

test('a digest is taken apart into its algorithm and its hex digits', (t) => {
  const digest = parseDigest(`sha256:${SHA256}`);
  t.is(algorithmOf(digest), 'sha256');
  t.is(hexOf(digest), SHA256);
  t.is(digestOf('sha256', SHA256), digest);
});

test('a digest is made from raw bytes, also where they are part of a larger buffer', (t) => {
  const bytes = Buffer.from(`ff${SHA256}ff`, 'hex');
  t.is(digestFromBytes('sha256', bytes.subarray(1, 33)), digestOf('sha256', SHA256));
  t.throws(() => digestFromBytes('sha256', bytes), { code: 'DIGEST_INVALID' });
  t.throws(() => digestFromBytes('sha512', bytes.subarray(1, 33)), { code: 'DIGEST_INVALID' });
});

test('each algorithm takes its own number of lower-case hex digits and nothing else', (t) => {
  for (const algorithm of ALGORITHMS) {
    const length = HEX_LENGTH[algorithm];
    t.true(isHexOf(algorithm, '0'.repeat(length)));
    t.true(isHexOf(algorithm, '0123456789abcdef'.repeat(length / 16)));
    for (const hex of [
      '',
      '0'.repeat(length - 1),
      '0'.repeat(length + 1),
      'A'.repeat(length),
      `${'0'.repeat(length - 1)}g`,
      `${'0'.repeat(length - 1)}\n`,
      `${'0'.repeat(length)}\n`,
      ` ${'0'.repeat(length - 1)}`,
      '٠'.repeat(length),
    ])
      t.false(isHexOf(algorithm, hex), JSON.stringify(hex));
  }
});

for (const [what, text, errno] of [
  ['without a colon', SHA256, 'EINVAL'],
  ['of no algorithm', `:${SHA256}`, 'EINVAL'],
  ['of an unknown algorithm', 'md5:d41d8cd98f00b204e9800998ecf8427e', 'EINVAL'],
  ['of an algorithm in capitals', `SHA256:${SHA256}`, 'EINVAL'],
  ['of what every object has', `__proto__:${SHA256}`, 'EINVAL'],
  ['of what every object has', `toString:${SHA256}`, 'EINVAL'],
  ['with capitals', `sha256:${SHA256.toUpperCase()}`, 'EINVAL'],
  ['with two colons', `sha256::${SHA256}`, 'EINVAL'],
  ['that climbs', `sha256:../${SHA256.slice(3)}`, 'EINVAL'],
  ['of nothing', '', 'EINVAL'],
] as const)
  test(`a digest ${what} is refused: ${text.slice(0, 20)}`, async (t) => {
    t.is(await errnoFrom(() => parseDigest(text)), errno);
    t.false(isDigest(text));
  });

test('an algorithm is known by its registered name alone', (t) => {
  for (const name of ALGORITHMS) t.is(parseAlgorithm(name), name);
  for (const name of ['', 'sha-256', 'SHA256', 'sha384', 'constructor'])
    t.throws(() => parseAlgorithm(name), { code: 'ALGORITHM_UNKNOWN' });
});
