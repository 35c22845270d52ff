import fs from 'node:fs';
import test, { type ExecutionContext } from 'ava';
import { CasError } from '../../../store/errors.js';
import type { Layer } from '../../../store/layers/layer.js';
import { readContent } from '../../../store/payloads/read-content.js';
import { exportTar } from '../../../store/split/export.js';
import { digestOf, noise, tarBytes, tarOf, temporaryLayers, type TestLayers } from './tools.js';

const LARGE = noise(200_000, 'large');

interface Shelf {
  readonly made: TestLayers;
  readonly layer: Layer;
  readonly pack: string;
  readonly large: string;
  /** Another layer must be whole. */
  readonly others: () => Promise<void>;
}

async function shelf(t: ExecutionContext): Promise<Shelf> {
  const made = temporaryLayers(t);
  const layer = await made.add(tarOf(t, { a: noise(5000, 'a'), b: noise(6000, 'b'), large: LARGE }));
  const tar = tarOf(t, { c: noise(5000, 'c'), d: noise(200_000, 'd') });
  const other = await made.add(tar, layer);
  const set = layer.set ?? '';
  await made.reopen();
  return {
    made,
    layer,
    pack: made.path('payloads', set, 'pack'),
    large: made.path('payloads', set, digestOf(LARGE).slice(7)),
    others: async () => {
      t.true((await tarBytes(made.layers, other)).equals(tar));
      t.is(await exported(made, other), 'good');
      t.is(await read(made, other, 'd'), 'good');
    },
  };
}

const codeOf = (error: unknown): string =>
  error instanceof CasError ? `${error.code} ${error.errno}` : String(error);

/** How reading a file whole ends. */
async function read({ layers }: TestLayers, layer: Layer, name: string): Promise<string> {
  try {
    const tree = await layers.tree(layer);
    const found = await tree.lookup(0, name);
    if (found?.inode.type !== 'file') return 'none';
    await readContent(layers.payloads.reader, found.inode, Buffer.alloc(found.inode.size), 0);
    return 'good';
  } catch (error) {
    return codeOf(error);
  }
}

/** How the export of a tar ends. */
async function exported({ layers }: TestLayers, layer: Layer): Promise<string> {
  try {
    let size = 0;
    for await (const block of exportTar(await layers.tar(layer), layer.diff)) size += block.length;
    return size === layer.size ? 'good' : `${size} bytes`;
  } catch (error) {
    return codeOf(error);
  }
}

function flip(path: string, at: number): void {
  const bytes = fs.readFileSync(path);
  bytes[at] = (bytes[at] ?? 0) ^ 1;
  fs.writeFileSync(path, bytes, { flag: 'r+' });
}

const DAMAGED = 'LAYER_DAMAGED EIO';

/** How reading `a`, `b` and `large` ends after damage. The bytes of a large file are the kernel's to read: a flip shows in exports. */
const DAMAGE: Readonly<Record<string, [(of: Shelf) => void, string, string, string]>> = {
  'a flipped bit in the first payload of a pack': [({ pack }) => flip(pack, 100), DAMAGED, 'good', 'good'],
  'a flipped bit in the last payload of a pack': [({ pack }) => flip(pack, 10_999), 'good', DAMAGED, 'good'],
  'a pack that is cut in its last payload': [
    ({ pack }) => fs.truncateSync(pack, 10_000),
    'good',
    DAMAGED,
    'good',
  ],
  'an empty pack': [({ pack }) => fs.truncateSync(pack, 0), DAMAGED, DAMAGED, 'good'],
  'no pack': [({ pack }) => fs.rmSync(pack), DAMAGED, DAMAGED, 'good'],
  'a large file with a flipped bit': [({ large }) => flip(large, 77), 'good', 'good', 'good'],
  'a large file that is cut': [({ large }) => fs.truncateSync(large, 199_999), 'good', 'good', DAMAGED],
  'no large file': [({ large }) => fs.rmSync(large), 'good', 'good', DAMAGED],
  'no set at all': [
    ({ made, layer }) => fs.rmSync(made.path('payloads', layer.set ?? ''), { recursive: true }),
    DAMAGED,
    DAMAGED,
    DAMAGED,
  ],
};

for (const [what, [damage, ...expected]] of Object.entries(DAMAGE)) {
  test(`${what} fails who reads it and whoever exports, and nobody else`, async (t) => {
    const all = await shelf(t);
    const { made, layer, others } = all;
    damage(all);
    t.deepEqual(await Promise.all(['a', 'b', 'large'].map((name) => read(made, layer, name))), expected);
    t.is(await exported(made, layer), DAMAGED);
    await others();
    await made.reopen();
    t.is(await exported(made, layer), DAMAGED);
    await others();
  });
}

test('a damaged layer and its chain can be removed', async (t) => {
  const { made, layer, pack, large } = await shelf(t);
  fs.rmSync(pack);
  fs.truncateSync(large);
  const [top] = made.layers.all().filter(({ parent }) => parent === layer.chain);
  await made.layers.discard(layer.chain);
  t.is((await made.layers.discard(top?.chain ?? layer.chain)).length, 2);
  await made.close();
  t.deepEqual([made.onDisk, await made.rows()], [{ layers: 0, staged: 0, sets: 0 }, {}]);
});
