import test from 'ava';
import type { Platform } from '../../../store/images/descriptor.js';
import { hostPlatform, parsePlatform, platformText, runsOn } from '../../../store/images/platform.js';
import { TestImages, TYPES, withoutPlatform } from './test-images.js';

const platform = (text: string): Platform => parsePlatform(text);

test('platforms are read as users write them', (t) => {
  const read = ['linux/amd64', 'Linux/x86_64', 'linux/aarch64/v8', 'linux/arm/v7', 'windows/amd64'];
  t.deepEqual(
    read.map((text) => platformText(platform(text))),
    ['linux/amd64', 'linux/amd64', 'linux/arm64/v8', 'linux/arm/v7', 'windows/amd64'],
  );
  for (const wrong of ['', 'linux', 'linux/', '/amd64', 'linux/a/b/c', 'linux/amd64/', 'a b/c'])
    t.throws(() => platform(wrong), { instanceOf: RangeError }, wrong);
});

test('the platform of this machine is named as Go does', (t) => {
  const hosts = (['x64', 'arm64', 'ppc64', 's390x', 'riscv64', 'ia32'] as const).map((arch) =>
    platformText(hostPlatform(arch)),
  );
  t.deepEqual(hosts, [
    'linux/amd64',
    'linux/arm64',
    'linux/ppc64le',
    'linux/s390x',
    'linux/riscv64',
    'linux/386',
  ]);
  t.is(platformText(hostPlatform('arm', { arm_version: '6' })), 'linux/arm/v6');
});

test('what runs where: usual variants need no name, and a later ARM runs what was made for an earlier', (t) => {
  const runs = (offered: string, wanted: string): boolean => runsOn(platform(offered), platform(wanted));
  t.true(runs('linux/arm64/v8', 'linux/arm64'));
  t.true(runs('linux/arm64', 'linux/arm64/v8'));
  t.true(runs('linux/arm/v6', 'linux/arm/v7'));
  t.true(runs('linux/arm', 'linux/arm/v7'));
  t.true(runs('linux/amd64', 'linux/amd64/v3'));
  t.false(runs('linux/amd64/v3', 'linux/amd64'));
  t.false(runs('linux/arm/v7', 'linux/arm/v6'));
  t.false(runs('linux/arm', 'linux/arm64'));
  t.false(runs('windows/amd64', 'linux/amd64'));
  t.false(runs('unknown/unknown', 'linux/amd64'));
});

test('the first manifest that fits is chosen, also within indexes, and all are there by their platforms', async (t) => {
  const made = await TestImages.open(t, { platform: platform('linux/arm/v7') });
  const image = async (text: string, word: string): ReturnType<TestImages['image']> =>
    made.image([await made.layer({ [word]: word })], { platform: platform(text) });
  const amd64 = await image('linux/amd64', 'amd64');
  const [v6, v7] = [await image('linux/arm/v6', 'v6'), await image('linux/arm/v7', 'v7')];
  const unnamed = await image('linux/s390x', 's390x');
  const attestation = {
    ...(await image('linux/amd64', 'attestation')),
    platform: platform('unknown/unknown'),
  };
  const more = { ...attestation, digest: amd64.digest };
  const silent = withoutPlatform(unnamed);
  const inner = await made.index([v6, v7], TYPES.dockerList);
  await made.name('many', await made.index([attestation, amd64, silent, more, inner, v7]));
  const { manifest, index, image: found, platforms } = await made.chosen('many');
  t.is(manifest?.digest, v6.digest);
  t.is(found?.manifest.digest, v6.digest);
  t.not(index, undefined);
  t.deepEqual(
    [...platforms.keys()],
    ['unknown-unknown', 'linux-amd64', 'linux-s390x', 'linux-arm-v6', 'linux-arm-v7'],
  );

  await made.name('other', await made.index([amd64, silent]));
  const other = await made.chosen('other');
  t.deepEqual([other.manifest, other.image, other.fault], [undefined, undefined, undefined]);
  t.is(other.platforms.size, 2);

  // Some tools write an entry of index.json for each platform.
  const named = (one: typeof v7): object => ({
    ...one,
    annotations: { 'org.opencontainers.image.ref.name': 'same' },
  });
  const entries = [amd64, v7].map(named);
  await made.store.images.write([], Buffer.from(JSON.stringify({ schemaVersion: 2, manifests: entries })));
  t.is((await made.chosen('same')).manifest?.digest, v7.digest);
});
