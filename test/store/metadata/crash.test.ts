import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { rowsOf, temporaryTenant, untilWhole } from './tenant.js';

const CHILD = fileURLToPath(new URL('put-and-tell.js', import.meta.url));

/** Runs the child until it has told so many numbers, and kills it; all that it told. */
async function toldBeforeKill(root: string, from: number, enough: number): Promise<number[]> {
  const child = spawn(process.execPath, [CHILD, root, `${from}`], { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = once(child, 'close');
  const told: number[] = [];
  for await (const line of createInterface({ input: child.stdout })) {
    told.push(Number(line));
    if (told.length === enough) child.kill('SIGKILL');
  }
  await ended;
  return told;
}

test('kill -9 loses nothing that was acknowledged, and nothing is rebuilt after it', async (t) => {
  const tenant = temporaryTenant(t);
  const first = tenant.open();
  await untilWhole(first);
  await first.close();
  const told: number[] = [];
  for (const [round, enough] of [50, 1, 333, 7, 120].entries()) {
    told.push(...(await toldBeforeKill(tenant.root, round * 10_000, enough)));
    const database = tenant.open();
    t.true(await database.whole());
    const rows = await rowsOf(database);
    t.deepEqual(
      told.filter((number) => rows.get(`${number}`) !== `value ${number}`),
      [],
    );
    await database.close();
  }
  t.true(told.length >= 511);
  t.deepEqual([tenant.complaints, tenant.damaged, tenant.rebuilds], [[], [], 1]);
});

test('kill -9 in the middle of a build has it start again', async (t) => {
  const tenant = temporaryTenant(t);
  tenant.truth.set('a', '1');
  const child = spawn(process.execPath, [
    fileURLToPath(new URL('build-for-ever.js', import.meta.url)),
    tenant.root,
  ]);
  const ended = once(child, 'close');
  await once(child.stdout, 'data');
  child.kill('SIGKILL');
  await ended;
  const database = tenant.open();
  t.false(await database.whole());
  await untilWhole(database);
  t.deepEqual([...(await rowsOf(database))], [['a', '1']]);
  t.deepEqual([tenant.complaints, tenant.damaged], [[], []]);
});
