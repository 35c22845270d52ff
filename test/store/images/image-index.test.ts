import fs from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { CasError } from '../../../store/errors.js';
import { REF_NAME, refNameOf } from '../../../store/images/descriptor.js';
import type { IndexSnapshot } from '../../../store/images/image-index.js';
import { temporaryDirectory } from '../../helpers/temporary.js';
import { temporaryStore } from '../../helpers/stores.js';

const A = { digest: `sha256:${'a'.repeat(64)}`, size: 1, annotations: { [REF_NAME]: 'a' } };
const B = { digest: `sha256:${'b'.repeat(64)}`, size: 2, annotations: { [REF_NAME]: 'b' } };

const textOf = (...manifests: object[]): Buffer =>
  Buffer.from(`{ "schemaVersion": 2, "manifests": ${JSON.stringify(manifests)} }\n`);

async function codeOf(action: Promise<unknown>): Promise<string> {
  return action.then(
    () => 'OK',
    (error: unknown) => (error instanceof CasError ? `${error.code} ${error.errno}` : String(error)),
  );
}

test('what is written is kept byte for byte, also over a restart, and makes the store an OCI layout', async (t) => {
  const opened = await temporaryStore(t);
  const { images } = opened.store;
  await images.load();
  t.is(images.current.bytes.toString(), '{"schemaVersion":2,"manifests":[]}');
  await images.write([images.current], textOf(A));
  t.deepEqual(images.current.bytes, textOf(A));
  t.deepEqual(fs.readFileSync(join(opened.root, 'index.json')), textOf(A));
  t.is(fs.readFileSync(join(opened.root, 'oci-layout'), 'utf8'), '{"imageLayoutVersion":"1.0.0"}');
  const again = (await opened.reopen()).images;
  await again.load();
  t.deepEqual(again.current.bytes, textOf(A));
});

test('a writer knows its own text from then on, and not what others have added', async (t) => {
  const { images } = (await temporaryStore(t)).store;
  await images.load();
  const own = await images.write([images.current], textOf(A));
  await images.put([B]);
  await images.write([own], textOf());
  t.deepEqual(images.current.index.manifests, [B]);
});

test('an entry takes the place of the one of its name', async (t) => {
  const { images } = (await temporaryStore(t)).store;
  const changes: [IndexSnapshot, IndexSnapshot][] = [];
  images.onChange((now, before) => changes.push([now, before]));
  await images.put([A]);
  await images.put([B]);
  await images.put([{ ...A, size: 3 }]);
  t.deepEqual(images.current.index.manifests, [B, { ...A, size: 3 }]);
  t.true(await images.removeAll((entry) => refNameOf(entry) === 'b'));
  t.false(await images.removeAll((entry) => refNameOf(entry) === 'b'));
  t.deepEqual(images.current.index.manifests, [{ ...A, size: 3 }]);
  t.is(changes.length, 4);
  t.is(changes[3]?.[0], images.current);
  t.is(changes[3]?.[1], changes[2]?.[0]);
});

for (const [what, text] of [
  ['nothing', ''],
  ['half of it', '{"schemaVersion":2,"manifests":['],
  ['no object', '[]'],
  ['another schema', '{"schemaVersion":1,"manifests":[]}'],
  ['manifests that are no list', '{"schemaVersion":2,"manifests":{}}'],
  ['a descriptor without a digest', '{"schemaVersion":2,"manifests":[{"size":1}]}'],
  ['a size below zero', `{"schemaVersion":2,"manifests":[{"digest":"${A.digest}","size":-1}]}`],
  [
    'a name that is no text',
    `{"schemaVersion":2,"manifests":[{"digest":"${A.digest}","size":1,"annotations":{"a":1}}]}`,
  ],
] as const)
  test(`refused, with the index as it was: ${what}`, async (t) => {
    const { images } = (await temporaryStore(t)).store;
    await images.put([A]);
    const before = images.current;
    t.is(await codeOf(images.write([before], Buffer.from(text))), 'INDEX_INVALID EBADMSG');
    t.is(images.current, before);
    t.regex(images.refusal ?? '', /index\.json: the text cannot be an index of images/);
    await images.write([before], textOf(A, B));
    t.is(images.refusal, undefined);
  });

test('an index that cannot be read is moved aside by the next one that is written, and never read as empty', async (t) => {
  const root = join(temporaryDirectory(t), 'store');
  fs.mkdirSync(root);
  fs.writeFileSync(join(root, 'index.json'), '{"schemaVersion"');
  const { images } = (await temporaryStore(t, { root })).store;
  t.is(await codeOf(images.load()), 'INDEX_DAMAGED EIO');
  t.is(await codeOf(images.load()), 'INDEX_DAMAGED EIO');
  await images.write([], textOf(A));
  t.deepEqual(images.current.index.manifests, [A]);
  const [moved = ''] = fs.readdirSync(join(root, 'damaged'));
  t.is(fs.readFileSync(join(root, 'damaged', moved), 'utf8'), '{"schemaVersion"');
});

test('what would be too large to be read again is not merged', async (t) => {
  const { images } = (await temporaryStore(t)).store;
  await images.load();
  const { current } = images;
  const large = (entry: object): Buffer => textOf({ ...entry, data: 'x'.repeat(9 << 20) });
  await images.write([current], large(A));
  t.is(await codeOf(images.write([current], large(B))), 'INDEX_INVALID EFBIG');
  t.is(images.current.index.manifests.length, 1);
});

test('an OCI image layout becomes a store as it is', async (t) => {
  const root = join(temporaryDirectory(t), 'store');
  fs.mkdirSync(join(root, 'blobs'), { recursive: true });
  fs.writeFileSync(join(root, 'index.json'), textOf(A));
  fs.writeFileSync(join(root, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}');
  const { images } = (await temporaryStore(t, { root })).store;
  await images.load();
  t.deepEqual(images.current.index.manifests, [A]);
});

test('the index of an earlier moment is found again', async (t) => {
  const { images } = (await temporaryStore(t)).store;
  await images.put([A]);
  const { current } = images;
  t.is(images.at(new Date(Date.now() + 1)), current);
  t.deepEqual(images.at(new Date(0)).index.manifests, []);
});
