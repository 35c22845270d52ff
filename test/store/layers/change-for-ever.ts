import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { openLayers } from '../../../store/layers/open-layers.js';
import { digestOf, sourceOf } from './tools.js';

/*
 * Changes the stacks of a directory until it is killed. Of each change it says that it begins, and that it is
 * acknowledged: a line of the stack's name, the layers that it has then as numbers of tars, and `begin` or `end`.
 * The stacks `<who> <number>` are those of one of three who act at the same time.
 */
const [root = '', tars = '', seed = '1'] = process.argv.slice(2);
const bytes = readdirSync(tars)
  .sort()
  .map((name) => readFileSync(join(tars, name)));
const diffs = new Map<string, number>(bytes.map((tar, number) => [digestOf(tar), number]));

let state = Number(seed);
/** A whole number below `below`; the numbers of a seed are always the same (Numerical Recipes' ranqd1). */
function random(below: number): number {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  return Math.floor((state / 2 ** 32) * below);
}

const { stacks, layers } = openLayers(root, {});
await stacks.load();

function say(name: string, content: readonly number[] | undefined, what: 'begin' | 'end'): void {
  process.stdout.write(`${JSON.stringify([name, content ?? null, what])}\n`);
}

async function change(name: string): Promise<void> {
  const stack = stacks.get(name);
  const content = stack && stacks.layersOf(stack).map(({ diff }) => diffs.get(diff) ?? -1);
  const does = async (to: number[] | undefined, action: () => Promise<unknown>): Promise<void> => {
    say(name, to, 'begin');
    await action();
    say(name, to, 'end');
  };
  if (content === undefined) return does([], () => stacks.make(name));
  const choice = random(10);
  if (choice < 6 && content.length < 5) {
    const number = random(bytes.length);
    return does([...content, number], () => stacks.push(name, sourceOf(bytes[number] ?? Buffer.of())));
  }
  if (choice < 9 && content.length > 0) return does(content.slice(0, -1), () => stacks.pop(name));
  return does(undefined, () => stacks.remove(name));
}

async function act(who: string): Promise<never> {
  for (;;) await change(`${who} ${random(2)}`);
}

await Promise.all(['a', 'b', 'c'].map(act));
await layers.close();
