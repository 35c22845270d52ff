import fs from 'node:fs';
import test, { type ExecutionContext } from 'ava';
import type { Algorithm, Digest } from '../../store/digest.js';
import { createHasher } from '../../store/hasher/engines.js';
import { until } from '../src/process/site.js';
import { reseal, sealsOn, tamper } from '../store/ingest/checkpoints/on-disk.js';
import { goStates } from '../store/hasher/material.js';
import { LeftIngest, rest, SIZE, STATES } from './left-ingest.js';

/** What the ingest's digest would be by a state that is not that of its bytes; undefined where none is led to. */
async function digestBy(algorithm: Algorithm, state: Uint8Array): Promise<Digest | undefined> {
  try {
    const hasher = await createHasher(algorithm, state);
    await hasher.update(rest);
    const digest = hasher.digest();
    hasher.dispose();
    return digest;
  } catch {
    return undefined;
  }
}

/**
 * After some damage the transfer goes on: what a damaged state leads to is refused, and the right digest is that of
 * what is under the name then.
 */
async function survives(t: ExecutionContext, left: LeftIngest, title: string, wrong?: Digest): Promise<void> {
  const ingest = await left.complete();
  if (wrong !== undefined && wrong !== left.digest)
    t.is(await left.commit(ingest, wrong), 'EBADMSG', `${title}: what it leads to`);
  t.is(await left.commit(ingest, left.digest), 'OK', title);
}

for (const [algorithm, step] of [
  ['sha256', 1],
  ['sha512', 1],
  ['blake3', 17],
] as const)
  test.serial(`${algorithm}: no flipped bit of a state leads to a wrong commit`, async (t) => {
    t.timeout(240_000);
    const left = await LeftIngest.of(t, algorithm, 'this');
    const whole = fs.readFileSync(left.state());
    t.is(await digestBy(algorithm, whole), left.digest);
    let flipped = 0;
    for (let at = 0; at < whole.length; at += step, flipped++) {
      await left.restore();
      const state = Buffer.from(whole);
      state.writeUInt8(state.readUInt8(at) ^ (1 << (at % 8)), at);
      fs.writeFileSync(left.state(), state);
      await survives(t, left, `bit ${at % 8} of byte ${at}`, await digestBy(algorithm, state));
    }
    t.log(`${flipped} of ${whole.length} bytes`);
  });

for (const boot of ['this', 'another'] as const)
  test.serial(`no changed byte of a seal of ${boot} boot leads to a wrong commit`, async (t) => {
    t.timeout(240_000);
    const left = await LeftIngest.of(t, 'sha256', boot);
    const whole = fs.readFileSync(left.seals);
    const line = whole.indexOf('\n') + 1;
    for (let at = line; at < whole.length; at++) {
      await left.restore();
      const seals = Buffer.from(whole);
      const byte = seals.readUInt8(at);
      // A digit becomes another one, every other byte one that may be anything.
      const digit = byte >= 0x30 && byte <= 0x39;
      seals.writeUInt8(digit ? 0x30 + ((byte - 0x30 + 1 + (at % 9)) % 10) : byte ^ (1 << (at % 8)), at);
      fs.writeFileSync(left.seals, seals);
      // Bytes that only a hash of all can tell from those that were written.
      tamper(left.data, 195_000);
      const ended = await left.commit(await left.complete(), left.digest);
      // After another boot what a damaged seal does not vouch for is cut off, and written anew.
      const right = boot === 'this' ? ['EBADMSG'] : ['EBADMSG', 'OK'];
      t.true(right.includes(ended), `byte ${at}: ${ended}`);
    }
    t.log(`${whole.length - line} bytes`);
  });

test.serial(
  'a state whose seal is whole is trusted in the same boot: the tests above see something',
  async (t) => {
    const left = await LeftIngest.of(t, 'sha256', 'this');
    await left.restore();
    tamper(left.data, 195_000);
    t.is(await left.commit(await left.complete(), left.digest), 'wrong');
  },
);

const vector = (algorithm: string): Buffer =>
  Buffer.from(goStates.vectors.find((vector) => vector.algorithm === algorithm)?.state ?? '', 'hex');

/** What else may become of the states. */
const damages: Readonly<Record<string, (left: LeftIngest) => void>> = {
  'two states have each other’s name': (left) => {
    const [first, second] = STATES.map((offset) => fs.readFileSync(left.state(offset)));
    fs.writeFileSync(left.state(STATES[0]), second ?? '');
    fs.writeFileSync(left.state(STATES[1]), first ?? '');
  },
  'two seals have each other’s offset': (left) => {
    const text = fs.readFileSync(left.seals, 'utf8');
    const swapped = text.replaceAll(
      /"offset":(\d+)/g,
      (_, offset) => `"offset":${Number(offset) === SIZE ? STATES[0] : SIZE}`,
    );
    fs.writeFileSync(left.seals, swapped);
  },
  'the older seals came back': (left) =>
    fs.writeFileSync(left.seals, fs.readFileSync(left.seals, 'utf8').split('\n')[0] ?? ''),
  'the seals are there twice, once damaged': (left) => {
    const text = fs.readFileSync(left.seals, 'utf8');
    fs.writeFileSync(left.seals, text.replaceAll('"check":"', '"check":"0') + text);
  },
  'the newest state is of sha512': (left) => fs.writeFileSync(left.state(), vector('sha512')),
  'the newest state is of other bytes': (left) => fs.writeFileSync(left.state(), vector('sha256')),
  'the newest state is zeros': (left) => fs.writeFileSync(left.state(), Buffer.alloc(108)),
  'all states are gone': (left) => STATES.forEach((offset) => fs.rmSync(left.state(offset))),
  'all is gone but the data': (left) => {
    for (const name of fs.readdirSync(left.directory))
      if (name !== 'data' && name !== 'ref') fs.rmSync(`${left.directory}/${name}`, { recursive: true });
  },
};

for (const boot of ['this', 'another'] as const)
  test.serial(
    `whatever else becomes of states of ${boot} boot, the transfer ends with the right bytes`,
    async (t) => {
      t.timeout(240_000);
      const left = await LeftIngest.of(t, 'sha256', boot);
      for (const [title, damage] of Object.entries(damages)) {
        await left.restore();
        damage(left);
        await survives(t, left, title, await digestBy('sha256', readIfThere(left.state())));
      }
    },
  );

function readIfThere(path: string): Buffer {
  return fs.existsSync(path) ? fs.readFileSync(path) : Buffer.alloc(0);
}

test.serial('a state torn at any length is not believed', async (t) => {
  t.timeout(240_000);
  const left = await LeftIngest.of(t, 'sha256', 'this');
  const whole = fs.readFileSync(left.state());
  for (let length = 0; length < whole.length; length += 9) {
    await left.restore();
    // As a file system leaves it that has written the size and not the bytes.
    fs.writeFileSync(
      left.state(),
      Buffer.concat([whole.subarray(0, length), Buffer.alloc(length % 2 === 0 ? 0 : whole.length - length)]),
    );
    await survives(t, left, `${length} bytes`, await digestBy('sha256', readIfThere(left.state())));
  }
});

test.serial(
  'after a restart of the machine data that changed below a state is never committed',
  async (t) => {
    t.timeout(240_000);
    const left = await LeftIngest.of(t, 'sha256', 'another');
    let cuts = 0;
    for (let at = 17; at < SIZE; at += 9973) {
      await left.restore();
      tamper(left.data, at, 100);
      const ingest = await left.complete();
      t.is(await left.commit(ingest, left.digest), 'EBADMSG', `at ${at}`);
      await until('it is cut', () => ingest.size === (at < STATES[0] ? 0 : STATES[0]));
      t.is(await left.commit(await left.complete(), left.digest), 'OK', `at ${at}, resumed`);
      cuts++;
    }
    t.true(cuts > 15);
  },
);

test.serial('in the same boot data that a sample sees changed is never committed', async (t) => {
  t.timeout(240_000);
  const left = await LeftIngest.of(t, 'sha256', 'this');
  for (const at of [0, 4095, SIZE - 4096, SIZE - 1]) {
    await left.restore();
    tamper(left.data, at);
    t.is(await left.commit(await left.complete(), left.digest), 'EBADMSG', `at ${at}`);
  }
});

test.serial('a state beyond the end of the data, and one that says so, is not believed', async (t) => {
  const left = await LeftIngest.of(t, 'sha256', 'this');
  for (const size of [0, 1, STATES[0] - 1, STATES[0], STATES[0] + 1, SIZE - 1]) {
    await left.restore();
    fs.truncateSync(left.data, size);
    await survives(t, left, `${size} bytes are left`);
  }
  await left.restore();
  fs.renameSync(left.state(), left.state(SIZE + 1000));
  reseal(left.directory, ({ offset }) => (offset === SIZE ? { offset: SIZE + 1000 } : {}));
  t.is(sealsOn(left.directory).length, 2);
  await survives(t, left, 'another offset');
});
