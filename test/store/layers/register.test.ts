import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import test from 'ava';
import { parseDigest } from '../../../store/digest.js';
import type { Progress } from '../../../store/layers/split-tar.js';
import { digestOfBytes } from '../../helpers/digests.js';
import { temporaryDirectory } from '../../helpers/temporary.js';
import { digestOf, holder, listing, noise, tarBytes, tarOf, temporaryLayers } from './tools.js';

const EMPTY = parseDigest('sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef');

const CHAINS = `
import hashlib, json, sys
chain = None
chains = []
for path in sys.argv[1:]:
    diff = 'sha256:' + hashlib.sha256(open(path, 'rb').read()).hexdigest()
    chain = diff if chain is None else 'sha256:' + hashlib.sha256((chain + ' ' + diff).encode()).hexdigest()
    chains.append([diff, chain])
print(json.dumps(chains))`;

test('chains are known by the ChainIDs that the image specification gives them', async (t) => {
  const made = temporaryLayers(t);
  const directory = temporaryDirectory(t);
  const tars = [{ a: 'one' }, { 'b/c': 'two' }, { 'b/d': 'three', a: 'four' }].map((files) =>
    tarOf(t, files),
  );
  const paths = tars.map((_, number) => join(directory, `${number}`));
  tars.forEach((tar, number) => fs.writeFileSync(paths[number] ?? '', tar));
  let parent;
  const found: string[][] = [];
  for (const tar of tars) {
    parent = await made.add(tar, parent);
    found.push([parent.diff, parent.chain]);
  }
  t.deepEqual(found, JSON.parse(execFileSync('python3', ['-c', CHAINS, ...paths]).toString()));
  t.deepEqual(
    made.layers.chain(made.layers.require(parent?.chain ?? t.fail())).map(({ depth }) => depth),
    [1, 2, 3],
  );
});

test('a layer gives back its tar, and its tree is what GNU tar extracts', async (t) => {
  const made = temporaryLayers(t);
  const tar = tarOf(t, {
    'etc/passwd': 'root',
    'usr/bin/large': noise(300_000, 'large'),
    'usr/lib/': '',
    'usr/share/empty': '',
    'usr/share/ü': 'name',
  });
  const layer = await made.add(tar);
  t.is(layer.diff, await digestOfBytes(tar));
  t.is(layer.size, tar.length);
  t.true((await tarBytes(made.layers, layer)).equals(tar));
  const directory = temporaryDirectory(t);
  execFileSync('tar', ['-xpf', '-', '-C', directory], { input: tar });
  const find = ['.', '-printf', '%P %y %m %s\\n'];
  const expected = execFileSync('find', find, { cwd: directory, env: { ...process.env, LC_ALL: 'C' } });
  const lines = (await listing(made.layers, layer)).map((line) => {
    // Names are bytes, a character each.
    const [path = '', , type = '', mode, , , , , size] = Buffer.from(line, 'latin1').toString().split(' ');
    return type === 'file' ? `${path.slice(1)} f ${mode} ${size}` : `${path.slice(1)} d ${mode}`;
  });
  const sizeless = expected.toString().trimEnd().split('\n');
  t.deepEqual(lines.sort(), sizeless.map((line) => line.replace(/ d (\d+) \d+$/, ' d $1')).sort());
});

test('a tar that is plain, in gzip or in zstd is the same layer', async (t) => {
  const tar = tarOf(t, { a: noise(200_000, 'a'), b: 'b' });
  const zstd = execFileSync('zstd', ['-c'], { input: tar });
  for (const bytes of [tar, gzipSync(tar), zstd]) {
    const made = temporaryLayers(t);
    const seen: Progress[] = [];
    const { diff, size, entries } = await made.add(bytes, undefined, {
      progress: (progress) => seen.push(progress),
    });
    t.deepEqual([diff, size, entries], [digestOf(tar), tar.length, 3]);
    t.deepEqual(seen.at(-1)?.bytes, bytes.length);
    t.true(seen.every(({ total }) => total === bytes.length));
  }
});

test('the empty layer of 1024 zeros is one', async (t) => {
  const made = temporaryLayers(t);
  const tar = Buffer.alloc(1024);
  const below = await made.add(tarOf(t, { a: 'a' }));
  for (const parent of [undefined, below]) {
    const layer = await made.add(tar, parent);
    t.is(layer.diff, EMPTY);
    t.deepEqual([layer.entries, layer.set, [...layer.uses]], [0, undefined, []]);
    t.true((await tarBytes(made.layers, layer)).equals(tar));
  }
  const [layer, ...others] = made.layers.all().filter(({ parent }) => parent === below.chain);
  if (layer === undefined) return t.fail();
  t.deepEqual(others, []);
  t.deepEqual(await listing(made.layers, layer), await listing(made.layers, below));
});

test('registering a chain twice gives the layer that is there, and leaves nothing of the second', async (t) => {
  const made = temporaryLayers(t);
  const tar = tarOf(t, { a: noise(200_000, 'a'), b: 'b' });
  const first = await made.add(tar);
  const onDisk = made.onDisk;
  t.is(await made.add(gzipSync(tar), undefined, { holder: holder('second') }), first);
  t.deepEqual(made.onDisk, onDisk);
  t.deepEqual(made.layers.holdersOf(first.chain), ['user', 'second']);
});

test('of many that register a chain at once one adds it, and all have it', async (t) => {
  const made = temporaryLayers(t);
  const below = await made.add(tarOf(t, { base: 'base' }));
  const tar = tarOf(t, { a: noise(200_000, 'a'), b: 'b', c: noise(5000, 'c') });
  const added = await Promise.all(
    Array.from({ length: 5 }, (_, number) => made.add(tar, below, { holder: holder(`${number}`) })),
  );
  t.is(new Set(added).size, 1);
  t.deepEqual(made.onDisk, { layers: 2, staged: 0, sets: 2 });
  const [layer] = added;
  if (layer === undefined) return t.fail();
  t.true((await tarBytes(made.layers, layer)).equals(tar));
  for (let number = 0; number < 5; number++) {
    t.is(made.layers.get(layer.chain), layer);
    await made.layers.release(layer.chain, holder(`${number}`));
  }
  t.is(made.layers.get(layer.chain), undefined);
  t.deepEqual(made.onDisk, { layers: 1, staged: 0, sets: 1 });
});

test('different layers that are registered at once do not disturb each other', async (t) => {
  const made = temporaryLayers(t);
  const common = { 'lib/shared': noise(90_000, 'shared'), 'lib/small': 'small' };
  const tars = Array.from({ length: 6 }, (_, number) =>
    tarOf(t, { ...common, [`own${number}`]: `${number}` }),
  );
  const layers = await Promise.all(tars.map((tar) => made.add(tar)));
  for (const [number, layer] of layers.entries())
    t.true((await tarBytes(made.layers, layer)).equals(tars[number] ?? Buffer.of()));
  for (const [number, layer] of layers.entries()) {
    await made.layers.discard(layer.chain);
    for (const left of layers.slice(number + 1)) t.is((await listing(made.layers, left)).length, 5);
  }
  t.deepEqual(made.onDisk, { layers: 0, staged: 0, sets: 0 });
  await made.close();
  t.deepEqual(await made.rows(), {});
});

test('a layer is the same after a restart', async (t) => {
  const made = temporaryLayers(t);
  const base = await made.add(tarOf(t, { 'a/b': 'b', 'a/c': noise(140_000, 'c') }));
  const top = await made.add(tarOf(t, { 'a/.wh.b': '', 'a/d': 'd' }), base);
  const before = [await listing(made.layers, base), await listing(made.layers, top)];
  const layers = await made.reopen();
  t.deepEqual(layers.get(top.chain), top);
  t.deepEqual([await listing(layers, base), await listing(layers, top)], before);
  t.deepEqual(made.complaints, []);
});

test('a tar that cannot be put together again is not taken where that is tried', async (t) => {
  const tar = tarOf(t, { a: noise(200_000, 'a'), b: noise(5000, 'b') });
  for (const verify of [false, true]) {
    const made = temporaryLayers(t, { verify });
    const damage = (): Promise<void> => {
      const [set = ''] = made.names('payloads');
      const pack = made.path('payloads', set, 'pack');
      const bytes = fs.readFileSync(pack);
      bytes[100] = (bytes[100] ?? 0) ^ 1;
      fs.writeFileSync(pack, bytes);
      return Promise.resolve();
    };
    const adding = made.add(tar, undefined, { check: damage });
    if (verify) await t.throwsAsync(adding, { code: 'LAYER_DAMAGED' });
    else await t.notThrowsAsync(adding);
    t.deepEqual(made.onDisk, verify ? { layers: 0, staged: 0, sets: 0 } : { layers: 1, staged: 0, sets: 1 });
    const whole = temporaryLayers(t, { verify });
    t.is((await whole.add(tar)).diff, digestOf(tar));
  }
});
