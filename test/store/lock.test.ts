import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test, { type ExecutionContext } from 'ava';
import { lockStore } from '../../store/lock.js';
import { openStore } from '../../store/store.js';
import { runChild } from '../helpers/processes.js';
import { temporaryDirectory } from '../helpers/temporary.js';

const OPEN_STORE = fileURLToPath(new URL('open-store.js', import.meta.url));

/** A process that has the store open, until its input ends or it is killed. */
async function holder(t: ExecutionContext, root: string): Promise<ChildProcessWithoutNullStreams> {
  const child = spawn(process.execPath, [OPEN_STORE, root, 'hold']);
  t.teardown(() => child.kill('SIGKILL'));
  const [output] = (await once(child.stdout, 'data')) as [Buffer];
  t.is(output.toString(), 'opened\n');
  return child;
}

async function openElsewhere(root: string): Promise<string> {
  return (await runChild(process.execPath, [OPEN_STORE, root])).output;
}

test('a second open in the same process is refused, naming the process and the time', async (t) => {
  const root = temporaryDirectory(t);
  const before = Date.now();
  const store = await openStore(root);
  const error = await t.throwsAsync(openStore(root), { code: 'STORE_LOCKED' });
  const [, pid, since] = /found process (\d+), since (\S+)$/.exec(error.message) ?? [];
  t.is(Number(pid), process.pid);
  t.true(before <= Date.parse(since ?? '') && Date.parse(since ?? '') <= Date.now());
  await store.close();
  await (await openStore(root)).close();
});

test('a second open by another process is refused, and neither it nor readers of the file drop the lock', async (t) => {
  const root = temporaryDirectory(t);
  const store = await openStore(root);
  await t.throwsAsync(openStore(root), { code: 'STORE_LOCKED' });
  fs.readFileSync(join(root, 'lock'));
  fs.cpSync(root, `${root}-copy`, { recursive: true });
  t.teardown(() => fs.rmSync(`${root}-copy`, { recursive: true }));
  const output = await openElsewhere(root);
  t.true(
    output.startsWith(`STORE_LOCKED EBUSY ${root}/lock: another process has the store open: found process`),
    output,
  );
  t.true(output.includes(`process ${process.pid}, since `), output);
  await store.close();
  t.is(await openElsewhere(root), 'opened\n');
});

test('without the file that names the holder the store is locked all the same', async (t) => {
  const root = temporaryDirectory(t);
  const store = await openStore(root);
  fs.rmSync(join(root, 'lock'));
  t.true((await openElsewhere(root)).startsWith('STORE_LOCKED EBUSY'));
  await store.close();
  t.is(await openElsewhere(root), 'opened\n');
});

test('kill -9 of the holder frees the store at once', async (t) => {
  const root = temporaryDirectory(t);
  const child = await holder(t, root);
  const error = await t.throwsAsync(openStore(root), { code: 'STORE_LOCKED' });
  t.true(error.message.includes(`process ${child.pid ?? 0}, since`));
  child.kill('SIGKILL');
  await once(child, 'exit');
  const store = await openStore(root);
  await store.close();
});

test('a holder that ends in order frees the store too', async (t) => {
  const root = temporaryDirectory(t);
  const child = await holder(t, root);
  child.stdin.end();
  await once(child, 'exit');
  await (await openStore(root)).close();
  t.pass();
});

test('processes that the holder started do not hold the store after it', async (t) => {
  const root = temporaryDirectory(t);
  const store = await openStore(root);
  const child = spawn('sleep', ['60'], { stdio: 'ignore' });
  t.teardown(() => child.kill('SIGKILL'));
  await once(child, 'spawn');
  await store.close();
  t.is(await openElsewhere(root), 'opened\n');
  t.is(child.exitCode, null);
});

test('of many who open one store at once, one has it', async (t) => {
  const root = join(temporaryDirectory(t), 'store');
  const results = await Promise.allSettled(Array.from({ length: 20 }, () => openStore(root)));
  const opened = results.filter((result) => result.status === 'fulfilled');
  t.is(opened.length, 1);
  for (const result of results)
    if (result.status === 'rejected') t.like(result.reason, { code: 'STORE_LOCKED', errno: 'EBUSY' });
  for (const { value } of opened) await value.close();
});

test('eight processes that open a new store at once agree on one', async (t) => {
  const root = join(temporaryDirectory(t), 'store');
  const children = Array.from({ length: 8 }, () => spawn(process.execPath, [OPEN_STORE, root, 'hold']));
  t.teardown(() => children.forEach((child) => child.kill('SIGKILL')));
  const outputs = await Promise.all(
    children.map(async (child) => String(((await once(child.stdout, 'data')) as [Buffer])[0])),
  );
  t.is(outputs.filter((output) => output === 'opened\n').length, 1, outputs.join(''));
  t.is(outputs.filter((output) => output.startsWith('STORE_LOCKED EBUSY')).length, 7, outputs.join(''));
});

test('a holder that did not say who it is is an unknown process', (t) => {
  const path = join(temporaryDirectory(t), 'lock');
  const lock = lockStore(path);
  fs.writeFileSync(path, 'not JSON');
  const error = t.throws(() => lockStore(path), { code: 'STORE_LOCKED' });
  t.true(error.message.endsWith('found an unknown process'), error.message);
  lock.release();
});

test('a symbolic link in the place of the lock is not followed', async (t) => {
  const root = join(temporaryDirectory(t), 'store');
  await (await openStore(root)).close();
  fs.renameSync(join(root, 'lock'), join(root, 'blobs', 'elsewhere'));
  fs.symlinkSync('blobs/elsewhere', join(root, 'lock'));
  await t.throwsAsync(openStore(root), { code: 'STORE_INVALID' });
});
