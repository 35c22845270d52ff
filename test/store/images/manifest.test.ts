import test from 'ava';
import { CasError } from '../../../store/errors.js';
import { DOCUMENT_LIMIT } from '../../../store/images/manifest.js';
import { TestImages, TYPES } from './test-images.js';

const DIGEST = `sha256:${'1'.repeat(64)}`;
const config = { mediaType: TYPES.config, digest: DIGEST, size: 1 };

/** What can be no manifest or index, and what the refusal names. */
const REFUSED: Readonly<Record<string, readonly [content: Buffer | object, named: RegExp]>> = {
  'no JSON': [Buffer.from('{'), /JSON/],
  'not UTF-8': [Buffer.from('{"schemaVersion":2,"x":"\xff"}', 'latin1'), /JSON/],
  'a list': [[], /a JSON object/],
  'schema 1 of Docker': [{ schemaVersion: 1, fsLayers: [] }, /schemaVersion 2/],
  'no config': [{ schemaVersion: 2, layers: [] }, /config/],
  'layers that are no list': [{ schemaVersion: 2, config, layers: 'x' }, /a list of layers/],
  'a layer that is no descriptor': [{ schemaVersion: 2, config, layers: [null] }, /layers/],
  'a digest that leads out': [
    { schemaVersion: 2, config: { ...config, digest: 'sha256:../../../etc/passwd' } },
    /digests/,
  ],
  'an unknown algorithm': [{ schemaVersion: 2, config: { ...config, digest: 'md5:00' } }, /digests/],
  'a negative size': [{ schemaVersion: 2, config: { ...config, size: -1 } }, /sizes/],
  'both a manifest and an index': [{ schemaVersion: 2, config, layers: [], manifests: [] }, /both/],
  'another kind than its media type': [
    { schemaVersion: 2, mediaType: TYPES.index, config },
    /found manifest/,
  ],
  'another kind than its descriptor says': [{ schemaVersion: 2, manifests: [] }, /found index/],
  'too large': [Buffer.alloc(DOCUMENT_LIMIT + 1, ' '), /at most 8388608 bytes/],
};

for (const [what, [content, named]] of Object.entries(REFUSED)) {
  test(`a manifest is refused: ${what}`, async (t) => {
    const made = await TestImages.open(t);
    await made.name('x', await made.blob(content, TYPES.manifest));
    const { fault, image, manifest } = await made.chosen('x');
    t.is(image, undefined);
    t.not(manifest, undefined);
    t.true(fault instanceof CasError);
    t.like(fault, { code: 'IMAGE_INVALID', errno: 'EBADMSG' });
    t.regex(fault?.message ?? '', named);
  });
}

/** What can be no config of an image. */
const CONFIGS: Readonly<Record<string, readonly [content: Buffer | object, named: RegExp]>> = {
  'no JSON': [Buffer.from('x'), /JSON/],
  'another rootfs': [{ rootfs: { type: 'other' } }, /rootfs.type/],
  'DiffIDs that are none': [{ rootfs: { type: 'layers', diff_ids: ['x'] } }, /diff_ids/],
  'fewer DiffIDs than layers': [{ rootfs: { type: 'layers', diff_ids: [] } }, /1 DiffIDs.*found 0/],
};

for (const [what, [content, named]] of Object.entries(CONFIGS)) {
  test(`a config is refused: ${what}; the layers are known all the same`, async (t) => {
    const made = await TestImages.open(t);
    const { blob } = await made.layer({ a: 'a' });
    const manifest = { schemaVersion: 2, config: await made.blob(content, TYPES.config), layers: [blob] };
    await made.name('x', await made.blob(manifest, TYPES.manifest));
    const { fault, image } = await made.chosen('x');
    t.like(fault, { code: 'IMAGE_INVALID' });
    t.regex(fault?.message ?? '', named);
    t.is(image?.blobs.length, 1);
    t.deepEqual(image?.layers, []);
    await t.throwsAsync(made.store.unpacked.unpack('x', await made.chosen('x')), { message: named });
  });
}

test('indexes in each other end somewhere, and one that leads to itself is looked at once', async (t) => {
  const made = await TestImages.open(t);
  const image = await made.image([await made.layer({ a: 'a' })]);
  let inner = await made.index([image]);
  for (let depth = 0; depth < 7; depth++) inner = await made.index([inner, inner, image]);
  await made.name('deep', inner);
  t.is((await made.chosen('deep')).manifest?.digest, image.digest);
  let deeper = await made.index([image]);
  for (let depth = 0; depth < 9; depth++) deeper = await made.index([deeper]);
  await made.name('deeper', deeper);
  const { fault, image: found } = await made.chosen('deeper');
  t.regex(fault?.message ?? '', /at most 8 indexes/);
  t.is(found, undefined);
});

test('Docker images, artifacts and images without layers are what they are', async (t) => {
  const made = await TestImages.open(t);
  const layer = await made.layer({ a: 'a' });
  await made.name('docker', await made.image([layer], { docker: true }));
  t.is((await made.chains('docker')).length, 1);
  await made.name(
    'artifact',
    await made.image([layer], { configType: 'application/vnd.cncf.helm.config.v1+json' }),
  );
  const artifact = await made.chosen('artifact');
  t.deepEqual([artifact.image?.blobs.length, artifact.image?.layers, artifact.fault], [1, [], undefined]);
  await made.name('scratch', await made.image([]));
  t.like(await made.store.unpacked.status('scratch', await made.chosen('scratch')), {
    state: null,
    error: null,
  });
  await made.name('text', await made.blob(Buffer.from('text'), 'text/plain'));
  const text = await made.chosen('text');
  t.deepEqual([text.image, text.fault], [undefined, undefined]);
  await t.throwsAsync(made.store.unpacked.unpack('artifact', artifact), { message: /no image/ });
});
