import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import test, { type ExecutionContext } from 'ava';
import type { Layer } from '../../../store/layers/layer.js';
import { LIMIT, spread } from '../../faults/form.js';
import { type Fault, Shim } from '../../faults/shim.js';
import { temporaryDirectory } from '../../helpers/temporary.js';
import { listing, noise, tarBytes, tarOf, TestLayers } from './tools.js';

const CHILD = fileURLToPath(new URL('change-once.js', import.meta.url));

/** Faults of each kind in the short form. */
const FEW = 6;

const same = (own: string): Record<string, Buffer> => ({
  'same/a': noise(5000, 'a'),
  'same/large': noise(200_000, 'large'),
  [own]: noise(140_000, own),
});

/** A program that changes the layers of a directory under the shim. */
class Child {
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #lines: AsyncIterator<string>;
  readonly ended: Promise<unknown>;

  constructor(root: string, env: NodeJS.ProcessEnv) {
    this.#child = spawn(process.execPath, [CHILD, root], { env: { ...process.env, ...env } });
    this.ended = once(this.#child, 'close');
    this.#child.stderr.pipe(process.stderr);
    this.#lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
  }

  /** The next line it says; undefined once it has ended. */
  async hear(): Promise<string | undefined> {
    const next = await this.#lines.next();
    return next.done === true ? undefined : next.value;
  }

  tell(command: string): Promise<string | undefined> {
    this.#child.stdin.write(`${command}\n`);
    return this.hear();
  }

  async end(): Promise<void> {
    this.#child.stdin.end();
    await this.ended;
  }
}

interface Stage {
  readonly root: string;
  readonly shim: Shim;
  /** The path of a tar, and what it must be as a layer. */
  readonly paths: readonly [string, string];
  readonly tars: readonly [Buffer, Buffer];
  readonly layers: readonly [Layer, Layer];
  readonly trees: readonly [string[], string[]];
  /** Makes a fresh directory that has the first so many layers. */
  readonly set: (count: number) => void;
}

async function stage(t: ExecutionContext): Promise<Stage> {
  const directory = fs.realpathSync(temporaryDirectory(t));
  const root = join(directory, 'store');
  const shim = await Shim.in(directory, root);
  t.teardown(() => shim.close());
  const tars = [tarOf(t, same('one')), tarOf(t, same('two'))] as const;
  const paths = [join(directory, '0.tar'), join(directory, '1.tar')] as const;
  paths.forEach((path, number) => fs.writeFileSync(path, tars[number] ?? ''));
  const layers: Layer[] = [];
  const trees: string[][] = [];
  const made = new TestLayers(root, {});
  for (const [number, tar] of tars.entries()) {
    const layer = await made.add(tar);
    layers.push(layer);
    trees.push(await listing(made.layers, layer));
    await made.close();
    fs.cpSync(root, join(directory, `template ${number + 1}`), { recursive: true });
    await made.reopen();
  }
  await made.close();
  return {
    root,
    shim,
    paths,
    tars,
    layers: layers as [Layer, Layer],
    trees: trees as [string[], string[]],
    set: (count) => {
      fs.rmSync(root, { recursive: true });
      fs.cpSync(join(directory, `template ${count}`), root, { recursive: true });
    },
  };
}

/** Asserts that the layers there are whole, and that nothing else is there; then removes them to the last row. */
async function sound(
  t: ExecutionContext,
  stage: Stage,
  must: readonly (boolean | undefined)[],
  what: string,
): Promise<void> {
  const made = new TestLayers(stage.root, {});
  try {
    await made.reopen();
    for (const [number, layer] of stage.layers.entries()) {
      const there = made.layers.get(layer.chain);
      if (must[number] !== undefined) t.is(there !== undefined, must[number], what);
      if (!there) continue;
      t.deepEqual(await listing(made.layers, there), stage.trees[number], what);
      t.true((await tarBytes(made.layers, there)).equals(stage.tars[number] ?? Buffer.of()), what);
    }
    const all = made.layers.all();
    const sets = new Set(all.flatMap(({ set, uses }) => (set === undefined ? uses : [set, ...uses])));
    t.deepEqual(made.names('payloads'), [...sets].sort(), what);
    t.deepEqual(made.names('layers', 'staging'), [], what);
    for (const { chain } of all) await made.layers.discard(chain);
  } finally {
    await made.close();
  }
  t.deepEqual(
    [made.onDisk, await made.rows(), made.complaints],
    [{ layers: 0, staged: 0, sets: 0 }, {}, []],
    what,
  );
}

const CHANGES = {
  'a registration': {
    before: 1,
    command: ({ paths }: Stage) => `register ${paths[1]}`,
    keeps: 0,
    after: true,
  },
  'a removal': {
    before: 2,
    command: ({ layers }: Stage) => `discard ${layers[0].chain}`,
    keeps: 1,
    after: false,
  },
} as const;

/** Does a change with a fault to come; what it answered, and how many calls it made. */
async function changeWith(
  of: Stage,
  { before, command }: (typeof CHANGES)[keyof typeof CHANGES],
  fault: Fault,
): Promise<{ answer: string | undefined; count: number; hit: string }> {
  of.set(before);
  of.shim.disarm();
  const child = new Child(of.root, of.shim.env);
  await child.hear();
  of.shim.arm(fault);
  const answer = await child.tell(command(of));
  const { count, hit } = of.shim;
  of.shim.disarm();
  await child.end();
  return { answer, count, hit };
}

for (const [title, change] of Object.entries(CHANGES)) {
  const other = 1 - change.keeps;
  const mustBe = (acknowledged: boolean): (boolean | undefined)[] => {
    const must: (boolean | undefined)[] = [true, true];
    must[other] = acknowledged ? change.after : undefined;
    return must;
  };

  test.serial(`${title} that is killed before a call leaves all or nothing`, async (t) => {
    t.timeout(LIMIT);
    const of = await stage(t);
    const { answer, count } = await changeWith(of, change, { action: 'nothing', at: 0 });
    t.is(answer, 'OK');
    await sound(t, of, mustBe(true), 'no fault');
    t.log(`${count} calls`);
    for (const at of spread(count, FEW)) {
      const { answer, hit } = await changeWith(of, change, { action: 'kill before', at });
      await sound(t, of, mustBe(answer === 'OK'), `killed before ${at}: ${hit}`);
    }
  });

  test.serial(`${title} in which a call fails says so or is done, and leaves all or nothing`, async (t) => {
    t.timeout(LIMIT);
    const of = await stage(t);
    const { count } = await changeWith(of, change, { action: 'nothing', at: 0 });
    for (const at of spread(count, FEW)) {
      const { answer, hit } = await changeWith(of, change, { action: 'fail', at, error: 'EIO' });
      t.true(answer === 'OK' || answer === 'EIO', `${answer} at ${at}: ${hit}`);
      await sound(t, of, mustBe(answer === 'OK'), `EIO at ${at}: ${hit}, ${answer}`);
    }
  });
}
