import fs from 'node:fs';
import { dirname } from 'node:path';
import test from 'ava';
import { digestOf } from '../../../../store/digest.js';
import { digestOfBytes } from '../../../helpers/digests.js';
import { temporaryStore } from '../../../helpers/stores.js';
import { content, goStates } from '../../hasher/material.js';
import { directoryOf, sealedStatesOn, statePath, statesOn } from './on-disk.js';
import { find, transfer, write } from './sessions.js';

/** Those whose content is at hand, and is not nothing. */
const vectors = goStates.vectors.filter(({ real, length }) => real && length > 0 && length <= 1 << 21);

for (const algorithm of ['sha256', 'sha512'] as const)
  test(`${algorithm}: the states on disk are byte for byte what Go's MarshalBinary gives`, async (t) => {
    const { store, root } = await temporaryStore(t);
    const own = vectors.filter((vector) => vector.algorithm === algorithm);
    t.true(own.length >= 15);
    for (const { length, tail, state, tailState, tailDigest } of own) {
      const ref = `x${length}`;
      const ends = [length, length + tail];
      const ingest = await transfer(store.ingests, content(0, length + tail), ends, { ref, algorithm });
      const directory = directoryOf(root, ref);
      t.deepEqual(statesOn(directory, algorithm), ends);
      t.is(fs.readFileSync(statePath(directory, length, algorithm), 'hex'), state, ref);
      t.is(fs.readFileSync(statePath(directory, length + tail, algorithm), 'hex'), tailState, ref);
      t.is(await ingest.prefixDigest(), digestOf(algorithm, tailDigest));
    }
  });

test("a state that Go has left, as the Docker registry's, is never trusted, and does no harm", async (t) => {
  const opened = await temporaryStore(t);
  const bytes = content(0, 70_000);
  await transfer(opened.store.ingests, bytes, [60_000]);
  await opened.close();
  const directory = directoryOf(opened.root);
  fs.rmSync(`${directory}/checkpoints`);
  fs.rmSync(`${directory}/hashstates`, { recursive: true });
  // One of the same bytes, and one of others under the right name.
  const [right, wrong] = [16_385, 1025].map((size) =>
    goStates.vectors.find(({ algorithm, length }) => algorithm === 'sha256' && length === size),
  );
  for (const [offset, vector] of [
    [16_385, right],
    [50_000, wrong],
  ] as const) {
    fs.mkdirSync(dirname(statePath(directory, offset)), { recursive: true });
    fs.writeFileSync(statePath(directory, offset), Buffer.from(vector?.state ?? '', 'hex'));
  }
  const store = await opened.reopen();
  const ingest = await find(store.ingests);
  t.is(ingest.status.offset, 0);
  await ingest.content.resume();
  t.is(ingest.status.offset, 0);
  t.deepEqual(statesOn(directory), []);
  ingest.lock();
  await write(ingest, bytes.subarray(60_000), 60_000);
  ingest.unlock();
  await ingest.settle();
  const [sealed] = sealedStatesOn(directory);
  t.is(sealed?.offset, 70_000);
  const digest = await digestOfBytes(bytes);
  t.is(await ingest.prefixDigest(), digest);
  t.true(await store.ingests.commit(ingest, { digest }));
});

test('what is no state is left where it is, and is in nobody’s way', async (t) => {
  const opened = await temporaryStore(t);
  const bytes = content(0, 90_000);
  await transfer(opened.store.ingests, bytes, [40_000, 80_000]);
  await opened.close();
  const directory = directoryOf(opened.root);
  const state = fs.readFileSync(statePath(directory, 40_000));
  // In Go's base 0, two of these are numbers above zero.
  const names = [
    '040000',
    '0x9C40',
    '-40000',
    '+40000',
    ' 40000',
    '4e4',
    'tmp',
    '9007199254740993',
    '99999999999999999999',
  ];
  const root = dirname(statePath(directory, 0));
  for (const name of names) fs.writeFileSync(`${root}/${name}`, state);
  const store = await opened.reopen();
  const ingest = await find(store.ingests);
  await ingest.content.resume();
  t.is(ingest.status.offset, 80_000);
  t.deepEqual(fs.readdirSync(root).sort(), ['40000', '80000', ...names].sort());
  ingest.lock();
  await ingest.truncate(10);
  t.deepEqual(fs.readdirSync(root).sort(), [...names].sort());
  await write(ingest, bytes, 0);
  ingest.unlock();
  t.true(await store.ingests.commit(ingest, { digest: await digestOfBytes(bytes) }));
  t.false(fs.existsSync(directory));
});

test('states are as secret as the bytes: only the owner of the store can read them', async (t) => {
  const { store, root } = await temporaryStore(t);
  await transfer(store.ingests, content(0, 100), [100]);
  const directory = directoryOf(root);
  const mode = (path: string): number => fs.statSync(path).mode & 0o777;
  t.is(mode(statePath(directory, 100)), 0o600);
  t.is(mode(dirname(statePath(directory, 100))), 0o700);
  t.is(mode(`${directory}/hashstates`), 0o700);
  t.is(mode(`${directory}/checkpoints`), 0o600);
});
