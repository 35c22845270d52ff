import test, { type ExecutionContext } from 'ava';
import { NodeShares } from '../../../store/layers/node-shares.js';
import { grouped } from '../../../store/layers/layer-rows.js';
import type { Database, Operation } from '../../../store/metadata/database.js';
import { temporaryTenant, untilWhole } from '../metadata/tenant.js';
import { digestOf, noise } from './tools.js';

type Node = readonly [Buffer, Buffer];

const NODES: readonly Node[] = Array.from({ length: 250 }, (_, n) => {
  const value = noise(50, `node ${n}`);
  return [Buffer.from(digestOf(value).slice(7), 'hex'), value];
});

interface Shelf {
  readonly database: Database;
  /** Enters nodes of the layer with a number, at most so many parts of them. */
  readonly enter: (number: number, nodes: readonly Node[], parts?: number) => Promise<void>;
  /** Removes what a layer has, at most so many parts. */
  readonly remove: (number: number, parts?: number) => Promise<void>;
  /** The nodes that are there. */
  readonly nodes: () => Promise<string[]>;
}

async function shelf(t: ExecutionContext): Promise<Shelf> {
  const database = temporaryTenant(t).open();
  await untilWhole(database);
  const shares = new NodeShares(database);
  const write = (operations: Operation[]): Promise<void> => database.batch(operations);
  return {
    database,
    enter: async (number, nodes, parts = Infinity) => {
      let part = 0;
      for (const group of grouped(nodes, 50)) {
        if (part === parts) return;
        await write(await shares.toEnter({ number }, part++, group));
      }
    },
    remove: async (number, parts = Infinity) => {
      let part = 0;
      for await (const operations of shares.toRemove({ number })) {
        if (part++ === parts) return;
        await write(operations);
      }
    },
    nodes: async () => {
      const found: string[] = [];
      for await (const rows of database.iterate(Buffer.from('N')))
        found.push(...rows.map(([key]) => key.toString('hex', 1)));
      return found;
    },
  };
}

const namesOf = (nodes: readonly Node[]): string[] => nodes.map(([digest]) => digest.toString('hex')).sort();

/** All rows that there are. */
async function rowsOf(database: Database): Promise<number> {
  let count = 0;
  for (const kind of ['B', 'N', 'Q'])
    for await (const rows of database.iterate(Buffer.from(kind))) count += rows.length;
  return count;
}

test('wherever entering ends, it can be undone, and others keep what they have', async (t) => {
  const { database, enter, remove, nodes } = await shelf(t);
  const [some, others] = [NODES.slice(0, 130), NODES.slice(40)];
  await enter(1, some);
  const before = await rowsOf(database);
  for (let parts = 0; parts <= 5; parts++) {
    await enter(2, others, parts);
    await remove(2);
    t.deepEqual(await nodes(), namesOf(some), `${parts}`);
    t.is(await rowsOf(database), before);
  }
});

test('wherever removing ends, it can be done again, and others keep what they have', async (t) => {
  const { database, enter, remove, nodes } = await shelf(t);
  const [some, others, more] = [NODES.slice(0, 130), NODES.slice(40), NODES.slice(100, 200)];
  for (const [first, second, third] of [
    [1, 2, 3],
    [2, 3, 1],
    [3, 1, 2],
  ] as const) {
    for (let parts = 0; parts <= 5; parts++) {
      const of = { 1: some, 2: others, 3: more };
      for (const number of [first, second, third]) await enter(number, of[number]);
      await remove(second, parts);
      await remove(second);
      const left = new Map([...of[first], ...of[third]].map((node) => [node[0].toString('hex'), node]));
      t.deepEqual(await nodes(), namesOf([...left.values()]), `${first} ${parts}`);
      await remove(first);
      t.deepEqual(await nodes(), namesOf(of[third]));
      await remove(third);
      t.is(await rowsOf(database), 0);
    }
  }
});

test('entering twice is entering once', async (t) => {
  const { database, enter, remove } = await shelf(t);
  await enter(1, NODES, 2);
  await enter(1, NODES);
  await enter(1, NODES);
  t.is(await rowsOf(database), NODES.length + 5);
  await remove(1);
  t.is(await rowsOf(database), 0);
});
