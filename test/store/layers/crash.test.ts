import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import test, { type ExecutionContext } from 'ava';
import type { Layer } from '../../../store/layers/layer.js';
import { temporaryDirectory } from '../../helpers/temporary.js';
import { listing, noise, tarBytes, tarOf, temporaryLayers, type TestLayers } from './tools.js';

const CHILD = fileURLToPath(new URL('change-for-ever.js', import.meta.url));
const ROUNDS = 12;

/** The layers of a stack, as numbers of tars; null where there is no such stack. */
type Content = readonly number[] | null;

/** What each stack may have: one content, or two while it is changed. */
type Model = Map<string, Content[]>;

/** Has a child change stacks until it has said so many lines, and kills it some milliseconds later. */
async function changeUntilKilled(args: string[], lines: number, delay: number, model: Model): Promise<void> {
  const child = spawn(process.execPath, [CHILD, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = once(child, 'close');
  let said = 0;
  for await (const line of createInterface({ input: child.stdout })) {
    const [name, content, what] = JSON.parse(line) as [string, Content, 'begin' | 'end'];
    model.set(name, what === 'end' ? [content] : [...(model.get(name) ?? [null]), content]);
    if (++said === lines) void sleep(delay).then(() => child.kill('SIGKILL'));
  }
  await ended;
}

/** Trees by chain, as a store has them that nothing has happened to. */
class Oracle {
  readonly #of: TestLayers;
  readonly #tars: readonly Buffer[];
  readonly #trees = new Map<string, string[]>();

  constructor(of: TestLayers, tars: readonly Buffer[]) {
    this.#of = of;
    this.#tars = tars;
  }

  async tree(content: readonly number[]): Promise<string[]> {
    const key = content.join();
    const known = this.#trees.get(key);
    if (known) return known;
    let layer: Layer | undefined;
    for (const number of content) layer = await this.#of.add(this.#tars[number] ?? Buffer.of(), layer);
    const tree = layer ? await listing(this.#of.layers, layer) : [];
    this.#trees.set(key, tree);
    return tree;
  }
}

const directory = (name: string, count: number): Record<string, Buffer> =>
  Object.fromEntries(Array.from({ length: count }, (_, n) => [`${name}/f${n}`, noise(n * 40, name)]));

function makeTars(t: ExecutionContext, into: string): Buffer[] {
  const tars = [
    tarOf(t, { ...directory('same', 40), large: noise(300_000, 'large') }),
    tarOf(t, { ...directory('same', 40), 'x/large': noise(300_000, 'large'), x2: noise(90_000, 'x') }),
    // More directories than one batch of the index has nodes.
    tarOf(t, Object.fromEntries(Array.from({ length: 1100 }, (_, n) => [`many/${n}/${n}`, '']))),
    tarOf(t, { '.wh.same': '', 'own/a': 'a' }),
    Buffer.alloc(1024),
  ];
  tars.forEach((tar, number) => fs.writeFileSync(join(into, `${number}.tar`), tar));
  return tars;
}

/** That stacks, layers, payloads and what is staged are what they must be; the model is what was found then. */
async function check(
  t: ExecutionContext,
  made: TestLayers,
  model: Model,
  tars: readonly Buffer[],
  oracle: Oracle,
): Promise<void> {
  const { stacks, layers } = made;
  const numbers = new Map<Buffer, number>(tars.map((tar, number) => [tar, number]));
  const seen = new Map<Layer, number>();
  const top = new Set<string>();
  for (const [name, possible] of model) {
    const stack = stacks.get(name);
    const found: number[] = [];
    for (const layer of stack ? stacks.layersOf(stack) : []) {
      let number = seen.get(layer);
      if (number === undefined) {
        const bytes = await tarBytes(layers, layer, 1 << 20);
        number = numbers.get(tars.find((tar) => tar.equals(bytes)) ?? bytes) ?? -1;
        seen.set(layer, number);
      }
      found.push(number);
      if (top.has(layer.chain)) continue;
      top.add(layer.chain);
      t.deepEqual(await listing(layers, layer), await oracle.tree([...found]));
    }
    const content = stack ? found : null;
    t.true(
      possible.some((one) => JSON.stringify(one) === JSON.stringify(content)),
      `${name}: ${JSON.stringify(content)}, not one of ${JSON.stringify(possible)}`,
    );
    model.set(name, [content]);
  }
  t.is(stacks.all().length, [...model.values()].filter(([content]) => content !== null).length);
  t.deepEqual(
    layers.all().filter((layer) => !seen.has(layer)),
    [],
    'a layer in no stack',
  );
  const sets = new Set(layers.all().flatMap(({ set, uses }) => (set === undefined ? uses : [set, ...uses])));
  t.deepEqual(made.names('payloads'), [...sets].sort());
  t.deepEqual(made.names('layers', 'staging'), []);
  t.is(made.onDisk.layers, layers.all().length);
}

test('kill -9 at any moment loses nothing that was acknowledged and leaves nothing behind', async (t) => {
  const tarDirectory = temporaryDirectory(t);
  const tars = makeTars(t, tarDirectory);
  const made = temporaryLayers(t);
  const oracle = new Oracle(temporaryLayers(t), tars);
  const model: Model = new Map();
  for (let round = 0; round < ROUNDS; round++) {
    await made.reopen(() =>
      changeUntilKilled(
        [made.root, tarDirectory, `${round}`],
        10 + ((round * 7) % 20),
        (round * 5) % 13,
        model,
      ),
    );
    await check(t, made, model, tars, oracle);
    // Who finds nothing wrong must also find nothing in the index that belongs to nobody.
    if (round % 4 !== 3) continue;
    for (const { name } of made.stacks.all()) await made.stacks.remove(name);
    model.clear();
    await made.close();
    t.deepEqual([made.onDisk, await made.rows()], [{ layers: 0, staged: 0, sets: 0 }, {}]);
    await made.reopen();
  }
  t.deepEqual(made.complaints, []);
});
