import test from 'ava';
import { VirtualFile } from '../../fs/virtual-file.js';
import { Rewrites } from '../../fs/rewrites.js';
import type { Node } from '../../fs/node.js';
import { digestOfBytes } from '../helpers/digests.js';
import { CALLER } from '../contract/tree-operations.js';
import { errnoFrom } from '../helpers/errno.js';

const make = (): Node => new VirtualFile('/x', { uid: 0, gid: 0 }, () => '');

test('only the thread that opened the blob finds a file of its own, and only for that blob', async (t) => {
  const rewrites = new Rewrites();
  const [digest, other] = [await digestOfBytes(Buffer.from('a')), await digestOfBytes(Buffer.from('b'))];
  const begin = (pid: number): Promise<string> =>
    errnoFrom(() => rewrites.begin(digest, { ...CALLER, pid }, make));
  t.is(await begin(1), 'ESTALE');
  t.is(await begin(2), 'ESTALE');
  const found = rewrites.find(digest, 1);
  t.truthy(found);
  t.is(rewrites.find(digest, 1), found, 'the kernel may ask twice');
  t.not(rewrites.find(digest, 2), found);
  t.is(rewrites.find(other, 1), undefined);
  t.is(rewrites.find(digest, 3), undefined);
  rewrites.end(1);
  t.is(rewrites.find(digest, 1), undefined);
  t.truthy(rewrites.find(digest, 2));
});

test('who does not come by the name, or cannot be told from others, is refused', async (t) => {
  const rewrites = new Rewrites();
  const digest = await digestOfBytes(Buffer.from('a'));
  const begin = (pid: number): Promise<string> =>
    errnoFrom(() => rewrites.begin(digest, { ...CALLER, pid }, make));
  t.is(await begin(1), 'ESTALE');
  t.is(await begin(1), 'EROFS');
  t.is(rewrites.find(digest, 1), undefined);
  t.is(await begin(0), 'EROFS');
  t.is(rewrites.find(digest, 0), undefined);
});
