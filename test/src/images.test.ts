import test from 'ava';
import { Failure } from '../../src/failure.js';
import { hostPlatform, platformText } from '../../store/images/platform.js';
import { TestImages } from '../store/images/test-images.js';
import { ServedStore } from './served-store.js';

test('cas lists images, shows one, registers its layers and takes it out of index.json', async (t) => {
  const served = await ServedStore.open(t);
  const made = TestImages.of(t, served);
  const layers = [await made.layer({ a: 'a' }), await made.layer({ b: 'b' })];
  const platform = hostPlatform();
  const image = await made.image(layers, { platform });
  await made.name('docker.io/library/x:1', image);
  await made.name('y', await made.index([image]));
  t.deepEqual(
    (await served.json(['images'])).map(({ name, state, platform }) => [name, state, platform]),
    [
      ['docker.io/library/x:1', 'absent', platformText(platform)],
      ['y', 'absent', platformText(platform)],
    ],
  );
  const top: string = (await made.chains('y')).at(-1) ?? '';
  t.is(await served.cas(['image', 'unpack', 'y']), top);
  const [shown] = await served.json(['image', 'show', 'docker.io/library/x:1']);
  t.like(shown, { state: 'registered', digest: image.digest, layers: 2, platforms: [] });
  t.is((shown?.['parts'] as unknown[]).length, 2);
  t.regex(await served.cas(['image', 'show', image.digest]), /^state\tregistered$/m);

  t.is(await served.cas(['image', 'rm', 'y']), 'y');
  t.is((await made.registered()).length, 2);
  t.is(await served.cas(['image', 'rm', image.digest]), image.digest);
  t.deepEqual([await made.registered(), await served.json(['images'])], [[], []]);
  for (const command of ['show', 'unpack', 'rm']) {
    const error = await t.throwsAsync(served.cas(['image', command, 'y']), { instanceOf: Failure });
    t.is(error.message, 'y: index.json has no such image');
  }
});
