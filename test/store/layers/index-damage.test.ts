import fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { isCasError } from '../../../store/errors.js';
import type { Layer } from '../../../store/layers/layer.js';
import { temporaryDirectory } from '../../helpers/temporary.js';
import { type Files, listing, noise, tarBytes, tarOf, temporaryLayers, TestLayers } from './tools.js';

const many = (name: string, count: number): Files =>
  Object.fromEntries(Array.from({ length: count }, (_, n) => [`${name}/d${n % 20}/f${n}`, noise(n, name)]));

const REBUILT = 'the metadata database was damaged and is rebuilt';

/** What each layer must give. */
interface Truth {
  readonly layer: Layer;
  readonly tree: readonly string[];
  readonly tar: Buffer;
}

const directory = fs.mkdtempSync(join(tmpdir(), 'cas-test-'));
test.after.always(() => fs.rmSync(directory, { recursive: true }));
let made: Promise<Truth[]> | undefined;

/** A chain of three, and one beside it that makes the same directories; rows of them in a table and in the log. */
async function makeTemplate(t: ExecutionContext): Promise<Truth[]> {
  const template = new TestLayers(directory, {});
  const tars = [
    tarOf(t, { ...many('same', 100), large: noise(200_000, 'large') }),
    tarOf(t, { 'same/d1/.wh..wh..opq': '', 'same/d2/new': 'new', ...many('more', 60) }),
    tarOf(t, { '.wh.large': '', 'same/d3/f3': 'other' }),
    tarOf(t, { ...many('same', 100), own: 'own' }),
  ];
  const truth: Truth[] = [];
  for (const [number, tar] of tars.entries()) {
    if (number === 2) await template.reopen();
    const layer = await template.add(tar, number === 3 ? undefined : truth[number - 1]?.layer);
    truth.push({ layer, tree: await listing(template.layers, layer), tar });
  }
  await template.close();
  for (const ending of ['.ldb', '.log']) t.true(fs.statSync(file(template, ending)).size > 1000, ending);
  return truth;
}

async function copied(t: ExecutionContext): Promise<{ made: TestLayers; truth: Truth[] }> {
  const truth = await (made ??= makeTemplate(t));
  const root = join(temporaryDirectory(t), 'store');
  fs.cpSync(directory, root, { recursive: true });
  return { made: temporaryLayers(t, { root }), truth };
}

const index = (of: TestLayers, ...names: string[]): string => of.path('layers', 'index', ...names);

/** A file of LevelDB whose name ends so. */
function file(of: TestLayers, ending: string): string {
  const names = of.names('layers', 'index', 'rows').filter((name) => name.endsWith(ending));
  return index(of, 'rows', names.at(-1) ?? `no ${ending}`);
}

const current = (of: TestLayers): string => index(of, 'rows', 'CURRENT');
const manifest = (of: TestLayers): string => index(of, 'rows', fs.readFileSync(current(of), 'utf8').trim());

function flip(path: string, place: number): void {
  const bytes = fs.readFileSync(path);
  const at = Math.floor((bytes.length - 1) * place);
  bytes[at] = (bytes[at] ?? 0) ^ 0x10;
  fs.writeFileSync(path, bytes, { flag: 'r+' });
}

const half = (path: string): void => fs.truncateSync(path, fs.statSync(path).size >> 1);

/** All layers give what they must, also to who comes on top; and all of it can be removed to the last row. */
async function allRight(t: ExecutionContext, of: TestLayers, truth: readonly Truth[]): Promise<void> {
  for (const { layer, tree, tar } of truth) {
    t.deepEqual(await listing(of.layers, of.layers.require(layer.chain)), tree);
    t.true((await tarBytes(of.layers, layer)).equals(tar));
  }
  const top = truth[2]?.layer;
  const more = await of.add(tarOf(t, many('same', 100)), top);
  t.is(more.depth, 4);
  await of.layers.discard(more.chain);
  await of.reopen();
  for (const { layer, tree } of truth) t.deepEqual(await listing(of.layers, layer), tree);
}

async function nothingLeft(t: ExecutionContext, of: TestLayers): Promise<void> {
  for (const { chain } of of.layers.all())
    if (of.layers.holdersOf(chain).includes('user' as never)) await of.layers.discard(chain);
  await of.close();
  // A bit may have flipped in a row that nobody has read.
  if (!t.title.includes('flipped') || of.complaints.includes(REBUILT)) t.deepEqual(await of.rows(), {});
  t.deepEqual(of.onDisk, { layers: 0, staged: 0, sets: 0 });
}

const DAMAGE: Readonly<Record<string, (of: TestLayers) => void>> = {
  'no index': (of) => fs.rmSync(index(of), { recursive: true }),
  'an empty index': (of) => {
    fs.rmSync(index(of), { recursive: true });
    fs.mkdirSync(index(of));
  },
  'no rows': (of) => fs.rmSync(index(of, 'rows'), { recursive: true }),
  'a flipped bit at the start of a table': (of) => flip(file(of, '.ldb'), 0.02),
  'a flipped bit in the middle of a table': (of) => flip(file(of, '.ldb'), 0.5),
  'a flipped bit at the end of a table': (of) => flip(file(of, '.ldb'), 0.99),
  'half a table': (of) => half(file(of, '.ldb')),
  'no table': (of) => fs.rmSync(file(of, '.ldb')),
  'a flipped bit in the log': (of) => flip(file(of, '.log'), 0.5),
  'half a log': (of) => half(file(of, '.log')),
  'no log': (of) => fs.rmSync(file(of, '.log')),
  'a flipped bit in the MANIFEST': (of) => flip(manifest(of), 0.5),
  'no MANIFEST': (of) => fs.rmSync(manifest(of)),
  'no CURRENT': (of) => fs.rmSync(current(of)),
  'an empty CURRENT': (of) => fs.truncateSync(current(of)),
};

for (const [what, damage] of Object.entries(DAMAGE)) {
  test(`${what}: all is there as it was`, async (t) => {
    const { made, truth } = await copied(t);
    await made.reopen(() => damage(made));
    await allRight(t, made, truth);
    await nothingLeft(t, made);
  });
}

for (const what of ['a flipped bit in the middle of a table', 'no table', 'half a log', 'no index']) {
  test(`${what} while it is open: all is there as it was`, async (t) => {
    const { made, truth } = await copied(t);
    await made.reopen();
    const [first] = truth;
    if (!first) return t.fail();
    t.is((await listing(made.layers, first.layer)).length, first.tree.length);
    DAMAGE[what]?.(made);
    // Where LevelDB has lost its files, the first that writes may fail, and what comes after it may not.
    await made.add(tarOf(t, { new: what }), truth[2]?.layer).then(
      ({ chain }) => made.layers.discard(chain),
      () => undefined,
    );
    await allRight(t, made, truth);
    await nothingLeft(t, made);
  });
}

test('layers that come, go and are read while the index is made again are right', async (t) => {
  const { made, truth } = await copied(t);
  await made.reopen(() => DAMAGE['no index']?.(made));
  const tars = [1, 2, 3, 4].map((n) => tarOf(t, { ...many('same', 100), [`own${n}`]: '' }));
  const [, , top, beside] = truth;
  if (!top || !beside) return t.fail();
  const [removed, tree, ...added] = await Promise.all([
    made.layers.discard(beside.layer.chain),
    listing(made.layers, top.layer),
    ...tars.map((tar, n) => made.add(tar, n % 2 === 0 ? undefined : truth[0]?.layer)),
  ]);
  t.is(removed.length, 1);
  t.deepEqual(tree, top.tree);
  const trees = await Promise.all(added.map((layer) => listing(made.layers, layer)));
  for (const [n, layer] of added.entries())
    t.true((await tarBytes(made.layers, layer)).equals(tars[n] ?? Buffer.of()));
  await made.reopen();
  t.deepEqual(await Promise.all(added.map((layer) => listing(made.layers, layer))), trees);
  for (const { chain } of added.slice(0, 3)) await made.layers.discard(chain);
  const [last] = added.slice(3);
  t.deepEqual(last && (await listing(made.layers, last)), trees[3]);
  t.deepEqual(await listing(made.layers, top.layer), top.tree);
  await nothingLeft(t, made);
});

test('who closes while the index is made again does not wait for it, and it is made at the next start', async (t) => {
  const { made, truth } = await copied(t);
  await made.reopen(() => DAMAGE['no index']?.(made));
  const [first] = truth;
  if (!first) return t.fail();
  const reading = listing(made.layers, first.layer).then(
    () => undefined,
    (error: unknown) => error as Error,
  );
  await new Promise(setImmediate);
  await made.reopen();
  const error = await reading;
  if (error !== undefined) t.true(isCasError(error, 'METADATA_UNAVAILABLE'), error.message);
  await allRight(t, made, truth);
  t.deepEqual(
    made.complaints.filter((message) => message.includes('layer')),
    [],
  );
});

test('of a layer whose split file is damaged there is nothing once the index is lost; others are whole', async (t) => {
  const { made, truth } = await copied(t);
  const [first, second, third, beside] = truth;
  if (!first || !second || !third || !beside) return t.fail();
  const codeOf = async (action: Promise<unknown>): Promise<string | undefined> => {
    const error = await t.throwsAsync(action);
    return isCasError(error, 'LAYER_DAMAGED') ? error.errno : String(error);
  };
  flip(made.layers.splitOf(second.layer), 0.5);
  await made.reopen();
  for (const { layer, tree } of truth) t.deepEqual(await listing(made.layers, layer), tree);
  await made.reopen(() => fs.rmSync(index(made), { recursive: true }));
  for (const { layer, tree, tar } of [first, beside]) {
    t.deepEqual(await listing(made.layers, layer), tree);
    t.true((await tarBytes(made.layers, layer)).equals(tar));
  }
  for (const { layer } of [second, third]) t.is(await codeOf(listing(made.layers, layer)), 'EIO');
  t.is(await codeOf(tarBytes(made.layers, second.layer)), 'EIO');
  t.is(await codeOf(made.add(Buffer.alloc(1024), third.layer)), 'EIO');
  t.deepEqual(
    made.complaints.filter((message) => message !== 'a layer cannot be rebuilt'),
    [],
  );
  // It can be removed, and added again.
  await made.layers.discard(third.layer.chain);
  await made.layers.discard(second.layer.chain);
  await made.add(second.tar, first.layer);
  await made.add(third.tar, second.layer);
  for (const { layer, tree } of truth)
    t.deepEqual(await listing(made.layers, made.layers.require(layer.chain)), tree);
  await nothingLeft(t, made);
});
