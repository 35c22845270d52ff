import test, { type ExecutionContext } from 'ava';
import { CasError } from '../../../store/errors.js';
import { parseDigest } from '../../../store/digest.js';
import { passingHolder, USER } from '../../../store/layers/holders.js';
import type { Layer, RemovedLayer } from '../../../store/layers/layer.js';
import { holder, noise, tarOf, temporaryLayers, type TestLayers } from './tools.js';

interface Family {
  readonly made: TestLayers;
  readonly tars: Buffer[];
  readonly root: Layer;
  readonly middle: Layer;
  readonly top: Layer;
  /** Another one on `root`. */
  readonly side: Layer;
}

/** root, middle and top on each other, side on root; each held by the user but root and middle. */
async function family(t: ExecutionContext): Promise<Family> {
  const made = temporaryLayers(t);
  const tars = ['root', 'middle', 'top', 'side'].map((name) => tarOf(t, { [name]: noise(10_000, name) }));
  const [rootTar, middleTar, topTar, sideTar] = tars as [Buffer, Buffer, Buffer, Buffer];
  const root = await made.add(rootTar, undefined, { holder: holder('maker') });
  const middle = await made.add(middleTar, root, { holder: holder('maker') });
  const top = await made.add(topTar, middle);
  const side = await made.add(sideTar, root);
  for (const { chain } of [root, middle]) t.deepEqual(await made.layers.release(chain, holder('maker')), []);
  return { made, tars, root, middle, top, side };
}

const sizesOf = (removed: readonly RemovedLayer[]): [number, number][] =>
  removed.map(({ size, diffSize }) => [size, diffSize]);

/** The code of the failure of an action. */
async function codeOf(t: ExecutionContext, action: () => Promise<unknown>): Promise<string> {
  const error = await t.throwsAsync(action, { instanceOf: CasError });
  return `${error.code} ${error.errno}`;
}

test('layers go from the top down as far as nobody else holds them, and their sizes are told', async (t) => {
  const { made, tars, root, middle, top, side } = await family(t);
  const [a = 0, b = 0, c = 0, d = 0] = tars.map(({ length }) => length);
  const first = await made.layers.discard(top.chain);
  t.deepEqual(
    first.map(({ chain, diff }) => [chain, diff]),
    [
      [top.chain, top.diff],
      [middle.chain, middle.diff],
    ],
  );
  t.deepEqual(sizesOf(first), [
    [a + b + c, c],
    [a + b, b],
  ]);
  t.deepEqual(made.layers.all().length, 2);
  const second = await made.layers.discard(side.chain);
  t.deepEqual(
    second.map(({ chain }) => chain),
    [side.chain, root.chain],
  );
  t.deepEqual(sizesOf(second), [
    [a + d, d],
    [a, a],
  ]);
  t.deepEqual(made.onDisk, { layers: 0, staged: 0, sets: 0 });
});

test('who does not hold a layer cannot let go of it, and one that is not there is nobody to', async (t) => {
  const { made, middle, top } = await family(t);
  t.is(await codeOf(t, () => made.layers.release(top.chain, holder('other'))), 'LAYER_NOT_HELD EINVAL');
  t.is(await codeOf(t, () => made.layers.discard(middle.chain)), 'LAYER_NOT_HELD EINVAL');
  const unknown = parseDigest(`sha256:${'2'.repeat(64)}`);
  t.deepEqual(await made.layers.release(unknown, USER), []);
  t.is(await codeOf(t, () => made.layers.discard(unknown)), 'LAYER_NOT_FOUND ENOENT');
  await made.layers.discard(top.chain);
  t.deepEqual(await made.layers.release(top.chain, USER), []);
  t.is(await codeOf(t, () => made.layers.discard(top.chain)), 'LAYER_NOT_FOUND ENOENT');
});

test('of two who discard a layer at once one does', async (t) => {
  const { made, top } = await family(t);
  const both = await Promise.allSettled([made.layers.discard(top.chain), made.layers.discard(top.chain)]);
  t.deepEqual(
    both.map((one) => (one.status === 'fulfilled' ? one.value.length : (one.reason as CasError).code)),
    [2, 'LAYER_NOT_FOUND'],
  );
});

test('a layer that is held again before it goes stays', async (t) => {
  const { made, top } = await family(t);
  made.layers.hold(top.chain, holder('reader'));
  t.deepEqual(await made.layers.discard(top.chain), []);
  const released = made.layers.release(top.chain, holder('reader'));
  made.layers.hold(top.chain, holder('reader'));
  t.deepEqual(await released, []);
  t.is(made.layers.get(top.chain), top);
});

test('the holds of children and the user outlast a restart, passing ones do not', async (t) => {
  const { made, root, middle, top, side } = await family(t);
  made.layers.hold(side.chain, passingHolder('reader'));
  made.layers.hold(middle.chain, passingHolder('reader'));
  t.deepEqual(await made.layers.discard(side.chain), []);
  let layers = await made.reopen();
  t.deepEqual(
    [root, middle, top, side].map(({ chain }) => [...layers.holdersOf(chain)].sort()),
    [[`child ${middle.chain}`], [`child ${top.chain}`], ['user'], []],
  );
  t.is(layers.get(side.chain), undefined);
  t.deepEqual(made.onDisk.layers, 3);
  t.is((await layers.discard(top.chain)).length, 3);
  layers = await made.reopen();
  t.deepEqual(layers.all(), []);
  t.deepEqual(made.complaints, []);
});

test('the user who registers a layer that another brought holds it beyond a restart, too', async (t) => {
  const { made, tars, root, top, side } = await family(t);
  const [rootTar = Buffer.of()] = tars;
  t.is(await made.add(rootTar), root);
  await made.layers.discard(top.chain);
  await made.layers.discard(side.chain);
  const layers = await made.reopen();
  t.deepEqual(layers.holdersOf(root.chain), ['user']);
  t.is((await layers.discard(root.chain)).length, 1);
  t.deepEqual((await made.reopen()).all(), []);
});
