import fs from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { parseDigest } from '../../../store/digest.js';
import { CasError } from '../../../store/errors.js';
import type { LayerSource } from '../../../store/layers/layer-source.js';
import {
  digestOf,
  listing,
  noise,
  sourceOf,
  tarBytes,
  tarOf,
  temporaryLayers,
  type TestLayers,
} from '../layers/tools.js';

/** How an action ends: `OK`, or its code and errno. */
async function outcome(action: Promise<unknown>): Promise<string> {
  return action.then(
    () => 'OK',
    (error: unknown) => (error instanceof CasError ? `${error.code} ${error.errno}` : String(error)),
  );
}

/** The DiffIDs of a stack, the lowest first; undefined where there is none. */
function diffsOf({ stacks }: TestLayers, name: string): string[] | undefined {
  const stack = stacks.get(name);
  return stack && stacks.layersOf(stack).map(({ diff }) => diff);
}

async function tarsOf(t: ExecutionContext, ...names: string[]): Promise<Buffer[]> {
  return Promise.resolve(names.map((name) => tarOf(t, { [name]: name, large: noise(70_000, name) })));
}

/** A source that waits for `until` in its middle. */
function slow(bytes: Buffer, until: Promise<unknown>): LayerSource {
  async function* pieces(): AsyncGenerator<Buffer> {
    yield bytes.subarray(0, 1000);
    await until;
    yield bytes.subarray(1000);
  }
  return { size: bytes.length, bytes: pieces() };
}

test('layers are pushed and popped, and what nobody else holds goes with the pop', async (t) => {
  const made = temporaryLayers(t);
  const { stacks } = made;
  const tars = await tarsOf(t, 'a', 'b', 'c');
  await stacks.make('s');
  t.deepEqual(diffsOf(made, 's'), []);
  t.is(await outcome(stacks.pop('s')), 'LAYER_NOT_FOUND ENOENT');
  for (const tar of tars) await stacks.push('s', sourceOf(tar));
  t.deepEqual(diffsOf(made, 's'), tars.map(digestOf));
  const [top] = stacks.layersOf(stacks.require('s')).slice(-1);
  if (!top) return t.fail();
  t.deepEqual(made.layers.holdersOf(top.chain), ['stack s']);
  t.is((await listing(made.layers, top)).length, 5);
  for (let left = 2; left >= 0; left--) {
    t.deepEqual(
      (await stacks.pop('s')).map(({ diff }) => diff),
      [digestOf(tars[left] ?? Buffer.of())],
    );
    t.deepEqual(diffsOf(made, 's'), tars.slice(0, left).map(digestOf));
  }
  t.deepEqual(made.onDisk, { layers: 0, staged: 0, sets: 0 });
});

test('a layer that is there is pushed without its bytes, where it fits', async (t) => {
  const made = temporaryLayers(t);
  const { stacks } = made;
  const tars = await tarsOf(t, 'a', 'b');
  for (const name of ['one', 'two']) await stacks.make(name);
  for (const tar of tars) await stacks.push('one', sourceOf(tar));
  const [base, top] = stacks.layersOf(stacks.require('one'));
  if (!base || !top) return t.fail();
  await stacks.pushLayer('two', base.chain);
  t.is(await outcome(stacks.pushLayer('two', base.chain)), 'LAYER_INVALID EBADMSG');
  await stacks.pushLayer('two', top.chain);
  t.deepEqual(diffsOf(made, 'two'), diffsOf(made, 'one'));
  const unknown = parseDigest(`sha256:${'3'.repeat(64)}`);
  t.is(await outcome(stacks.pushLayer('two', unknown)), 'LAYER_NOT_FOUND ENOENT');
  t.is(await outcome(stacks.pushLayer('three', top.chain)), 'STACK_NOT_FOUND ENOENT');
  t.deepEqual(await stacks.remove('one'), []);
  t.is((await listing(made.layers, top)).length, 4);
  await made.reopen();
  t.deepEqual(made.layers.holdersOf(top.chain), ['stack two']);
  t.is((await made.stacks.remove('two')).length, 2);
  t.deepEqual(made.onDisk, { layers: 0, staged: 0, sets: 0 });
});

test('stacks, their layers and their names are the same after a restart', async (t) => {
  const made = temporaryLayers(t);
  const tars = await tarsOf(t, 'a', 'b');
  const names = [
    'plain',
    'Ünïcode ☃ 🗻',
    'e\u0301',
    '\u00e9',
    ' spaces ',
    '.hidden',
    'x'.repeat(255),
    '名'.repeat(85),
  ];
  for (const name of names) {
    await made.stacks.make(name);
    for (const tar of tars) await made.stacks.push(name, sourceOf(tar));
  }
  await made.stacks.pop('plain');
  await made.stacks.rename('.hidden', 'renamed');
  const now = names.map((name) => (name === '.hidden' ? 'renamed' : name));
  fs.writeFileSync(made.path('stacks', `${'0'.repeat(64)}.tmp`), '{"na');
  await made.reopen();
  t.deepEqual(
    made.stacks
      .all()
      .map(({ name }) => name)
      .sort(),
    [...now].sort(),
  );
  for (const name of now)
    t.deepEqual(diffsOf(made, name), tars.slice(0, name === 'plain' ? 1 : 2).map(digestOf), name);
  t.is(made.names('stacks').length, now.length);
  for (const name of now) await made.stacks.remove(name);
  t.deepEqual(made.onDisk, { layers: 0, staged: 0, sets: 0 });
  await made.reopen();
  t.deepEqual(made.stacks.all(), []);
});

test('names that cannot be are refused, and so are ones that are taken or not there', async (t) => {
  const { stacks } = temporaryLayers(t);
  await stacks.make('s');
  await stacks.make('other');
  const bad = {
    '': 'STACK_INVALID EINVAL',
    '.': 'STACK_INVALID EINVAL',
    '..': 'STACK_INVALID EINVAL',
    'a/b': 'STACK_INVALID EINVAL',
    'a\nb': 'STACK_INVALID EINVAL',
    'a\0b': 'STACK_INVALID EINVAL',
    '\ud800': 'REF_NOT_UTF8 EILSEQ',
    [`${'名'.repeat(85)}x`]: 'REF_TOO_LONG ENAMETOOLONG',
  };
  for (const [name, code] of Object.entries(bad)) {
    t.is(await outcome(stacks.make(name)), code);
    t.is(await outcome(stacks.rename('s', name)), code);
    t.is(await outcome(stacks.push(name, sourceOf(Buffer.alloc(1024)))), 'STACK_NOT_FOUND ENOENT');
  }
  t.is(await outcome(stacks.make('s')), 'STACK_EXISTS EEXIST');
  for (const to of ['s', 'other']) t.is(await outcome(stacks.rename('s', to)), 'STACK_EXISTS EEXIST');
  for (const action of [stacks.pop('no'), stacks.remove('no'), stacks.rename('no', 'new')])
    t.is(await outcome(action), 'STACK_NOT_FOUND ENOENT');
  t.deepEqual(
    stacks.all().map(({ name }) => name),
    ['s', 'other'],
  );
});

test('two pushes at once to one stack are one on top of the other', async (t) => {
  const made = temporaryLayers(t);
  const tars = await tarsOf(t, 'a', 'b', 'c');
  await made.stacks.make('s');
  await Promise.all(tars.map((tar) => made.stacks.push('s', sourceOf(tar))));
  t.deepEqual(diffsOf(made, 's'), tars.map(digestOf));
  await made.reopen();
  t.deepEqual(diffsOf(made, 's'), tars.map(digestOf));
});

test('the same layer pushed to several stacks at once is there once', async (t) => {
  const made = temporaryLayers(t);
  const [tar = Buffer.of()] = await tarsOf(t, 'a');
  const names = ['1', '2', '3', '4'];
  await Promise.all(names.map((name) => made.stacks.make(name)));
  await Promise.all(names.map((name) => made.stacks.push(name, sourceOf(tar))));
  t.deepEqual(made.onDisk, { layers: 1, staged: 0, sets: 1 });
  await made.reopen();
  const removed = await Promise.all(names.map((name) => made.stacks.remove(name)));
  t.is(removed.flat().length, 1);
  t.deepEqual(made.onDisk, { layers: 0, staged: 0, sets: 0 });
});

test('a push that fails leaves the stack as it was', async (t) => {
  const made = temporaryLayers(t);
  const [tar = Buffer.of()] = await tarsOf(t, 'a');
  await made.stacks.make('s');
  const rubbish = noise(100_000, 'rubbish');
  t.is(await outcome(made.stacks.push('s', sourceOf(rubbish))), 'LAYER_INVALID EBADMSG');
  await made.stacks.push('s', sourceOf(tar));
  t.is(await outcome(made.stacks.push('s', sourceOf(rubbish))), 'LAYER_INVALID EBADMSG');
  const aborted = AbortSignal.abort(new Error('no more'));
  t.is(await outcome(made.stacks.push('s', sourceOf(tar), { signal: aborted })), 'Error: no more');
  t.deepEqual(diffsOf(made, 's'), [digestOf(tar)]);
  t.deepEqual(made.onDisk, { layers: 1, staged: 0, sets: 1 });
  const [top] = made.layers.all();
  t.deepEqual(top && made.layers.holdersOf(top.chain), ['stack s']);
});

test('a stack whose file cannot be written keeps its top, and the layer goes again', async (t) => {
  const made = temporaryLayers(t);
  const [first = Buffer.of(), second = Buffer.of()] = await tarsOf(t, 'a', 'b');
  await made.stacks.make('s');
  await made.stacks.push('s', sourceOf(first));
  const [file = ''] = made.names('stacks');
  fs.mkdirSync(made.path('stacks', `${file}.tmp`));
  t.regex(await outcome(made.stacks.push('s', sourceOf(second))), /EISDIR/);
  t.regex(await outcome(made.stacks.pop('s')), /EISDIR/);
  t.deepEqual(diffsOf(made, 's'), [digestOf(first)]);
  t.deepEqual(made.onDisk, { layers: 1, staged: 0, sets: 1 });
  fs.rmdirSync(made.path('stacks', `${file}.tmp`));
  await made.stacks.push('s', sourceOf(second));
  await made.reopen();
  t.deepEqual(diffsOf(made, 's'), [first, second].map(digestOf));
});

test('a stack that is removed during a push goes after it, with all that is on it', async (t) => {
  const made = temporaryLayers(t);
  const [first = Buffer.of(), second = Buffer.of()] = await tarsOf(t, 'a', 'b');
  await made.stacks.make('s');
  await made.stacks.push('s', sourceOf(first));
  const pushed = made.stacks.push('s', slow(second, new Promise(setImmediate)));
  const removed = made.stacks.remove('s');
  const late = outcome(made.stacks.push('s', sourceOf(second)));
  t.is((await pushed).depth, 2);
  t.is((await removed).length, 2);
  t.is(await late, 'STACK_NOT_FOUND ENOENT');
  t.deepEqual(made.onDisk, { layers: 0, staged: 0, sets: 0 });
});

test('of those who give one name to different stacks at once, one has it', async (t) => {
  const made = temporaryLayers(t);
  const tars = await tarsOf(t, 'a', 'b', 'c');
  for (const [number, tar] of tars.entries()) {
    await made.stacks.make(`${number}`);
    await made.stacks.push(`${number}`, sourceOf(tar));
  }
  const outcomes = await Promise.all([
    ...tars.map((_, number) => outcome(made.stacks.rename(`${number}`, 'one'))),
    outcome(made.stacks.make('one')),
  ]);
  t.deepEqual(outcomes, ['OK', ...Array.from({ length: 3 }, () => 'STACK_EXISTS EEXIST')]);
  for (const again of [false, true]) {
    if (again) await made.reopen();
    t.deepEqual(diffsOf(made, 'one'), [digestOf(tars[0] ?? Buffer.of())]);
    t.deepEqual([diffsOf(made, '0'), diffsOf(made, '1')], [undefined, [digestOf(tars[1] ?? Buffer.of())]]);
  }
  for (const { name } of made.stacks.all()) t.is((await made.stacks.remove(name)).length, 1);
  t.deepEqual(made.onDisk, { layers: 0, staged: 0, sets: 0 });
});

test('stacks that take each other’s names at once do not wait for ever', async (t) => {
  const made = temporaryLayers(t);
  for (const name of ['a', 'b']) await made.stacks.make(name);
  const outcomes = await Promise.all([
    outcome(made.stacks.rename('a', 'b')),
    outcome(made.stacks.rename('b', 'a')),
  ]);
  t.deepEqual(outcomes, ['STACK_EXISTS EEXIST', 'STACK_EXISTS EEXIST']);
});

test('a stack that is renamed during a push has what was pushed', async (t) => {
  const made = temporaryLayers(t);
  const [tar = Buffer.of()] = await tarsOf(t, 'a');
  await made.stacks.make('s');
  const pushed = made.stacks.push('s', slow(tar, new Promise(setImmediate)));
  const renamed = made.stacks.rename('s', 'new');
  await Promise.all([pushed, renamed]);
  t.deepEqual([diffsOf(made, 's'), diffsOf(made, 'new')], [undefined, [digestOf(tar)]]);
  const [layer] = made.layers.all();
  t.deepEqual(layer && made.layers.holdersOf(layer.chain), ['stack new']);
});

test('a file that is no stack is reported; other stacks work, and nothing that it may hold goes', async (t) => {
  const made = temporaryLayers(t);
  const [first = Buffer.of(), second = Buffer.of()] = await tarsOf(t, 'a', 'b');
  await made.stacks.make('good');
  await made.stacks.push('good', sourceOf(first));
  const [good = ''] = made.names('stacks');
  await made.stacks.make('bad');
  await made.stacks.push('bad', sourceOf(second));
  const [bad = ''] = made.names('stacks').filter((name) => name !== good);
  const text = fs.readFileSync(made.path('stacks', bad));
  for (const rubbish of ['', '{', '{}', 'null', '{"name":"good"}', '{"name":"bad","top":"x"}']) {
    await made.reopen(() => fs.writeFileSync(made.path('stacks', bad), rubbish));
    t.deepEqual(diffsOf(made, 'good'), [digestOf(first)], rubbish);
    t.is(made.stacks.all().length, 1);
    t.is(made.layers.all().length, 2);
  }
  t.deepEqual([...new Set(made.complaints)], ['a stack cannot be used']);
  await made.reopen(() => fs.writeFileSync(made.path('stacks', bad), text));
  t.deepEqual(diffsOf(made, 'bad'), [digestOf(second)]);
});

test('a stack whose layers cannot be used can be removed', async (t) => {
  const made = temporaryLayers(t);
  const [first = Buffer.of(), second = Buffer.of()] = await tarsOf(t, 'a', 'b');
  await made.stacks.make('s');
  const base = await made.stacks.push('s', sourceOf(first));
  await made.stacks.push('s', sourceOf(second));
  await made.reopen(() => fs.rmSync(join(made.layers.splitOf(base), '..', 'record')));
  t.deepEqual(made.complaints, ['a layer cannot be used', 'a layer has lost its parent']);
  t.deepEqual(diffsOf(made, 's'), []);
  t.is(await outcome(made.stacks.pop('s')), 'LAYER_NOT_FOUND ENOENT');
  t.is(await outcome(made.stacks.push('s', sourceOf(first))), 'LAYER_NOT_FOUND ENOENT');
  t.deepEqual(await made.stacks.remove('s'), []);
  await made.stacks.make('s');
});

test('whoever watches is told of each stack and layer that comes, changes and goes', async (t) => {
  const made = temporaryLayers(t);
  const told: string[] = [];
  made.stacks.changed = (name) => told.push(name);
  made.layers.onChange(({ depth }) => told.push(`layer ${depth}`));
  const [first = Buffer.of(), second = Buffer.of()] = await tarsOf(t, 'a', 'b');
  await made.stacks.make('s');
  await made.stacks.push('s', sourceOf(first));
  await made.stacks.push('s', sourceOf(second));
  const bytes = await tarBytes(made.layers, made.layers.require(made.stacks.require('s').top ?? t.fail()));
  t.true(bytes.equals(second));
  await made.stacks.pop('s');
  await made.stacks.rename('s', 'z');
  await made.stacks.remove('z');
  t.deepEqual(told, ['s', 'layer 1', 's', 'layer 2', 's', 's', 'layer 2', 'z', 's', 'z', 'layer 1']);
});
