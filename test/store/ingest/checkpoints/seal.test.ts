import { createHash } from 'node:crypto';
import test from 'ava';
import {
  decodeSeals,
  encodeSeals,
  isSealOf,
  type Seal,
  sealState,
  type WrittenSeal,
} from '../../../../store/ingest/checkpoints/seal.js';

const seal: Seal = {
  algorithm: 'sha256',
  offset: 1000,
  size: 2345,
  inode: '18446744073709551615',
  boot: '3f2c1f0e-8a57-4d2f-9b0e-0c2f4c6f5a11',
  sample: '0123456789abcdef0123456789abcdef',
};
const state = Buffer.from('a state');

test('the checksum of a seal is a sha256 of its fields and the state', (t) => {
  const fields =
    '["sha256",1000,2345,"18446744073709551615","3f2c1f0e-8a57-4d2f-9b0e-0c2f4c6f5a11","0123456789abcdef0123456789abcdef"]';
  const check = createHash('sha256').update(`${fields}\na state`).digest('hex');
  t.deepEqual(sealState(seal, state), { version: 1, ...seal, check });
});

test('seals are read as they were written', (t) => {
  const seals = [sealState(seal, state), sealState({ ...seal, offset: 0, size: 0 }, Buffer.alloc(0))];
  t.deepEqual(decodeSeals(encodeSeals(seals)), seals);
  t.deepEqual(decodeSeals(encodeSeals([])), []);
});

test('a seal is of one state alone, and each of its fields counts', (t) => {
  const written = sealState(seal, state);
  t.true(isSealOf(written, state));
  t.false(isSealOf(written, Buffer.from('another')));
  t.false(isSealOf(written, Buffer.alloc(0)));
  const changes: Partial<WrittenSeal>[] = [
    { algorithm: 'sha512' },
    { offset: 1001 },
    { size: 2346 },
    { inode: '1' },
    { boot: '' },
    { sample: '' },
    { check: '' },
  ];
  for (const change of changes) t.false(isSealOf({ ...written, ...change }, state), JSON.stringify(change));
  const renewed = { ...sealState({ ...seal, boot: 'another' }, state), boot: seal.boot };
  t.false(isSealOf(renewed, state));
});

test('of a torn file the whole lines are read', (t) => {
  const seals = [1, 2, 3].map((offset) => sealState({ ...seal, offset }, state));
  const text = encodeSeals(seals);
  for (let length = 0; length <= text.length; length++) {
    const whole = text.slice(0, length).split('\n').length - 1;
    const read = decodeSeals(text.slice(0, length));
    t.true(read.length === whole || (read.length === whole + 1 && text[length] === '\n'), `${length}`);
    t.deepEqual(read, seals.slice(0, read.length));
  }
});

test('what is no seal is left out', (t) => {
  const written = sealState(seal, state);
  const lines: unknown[] = [
    null,
    1,
    'text',
    [],
    {},
    { ...written, version: 2 },
    { ...written, offset: -1 },
    { ...written, offset: 1.5 },
    { ...written, offset: '1000' },
    { ...written, size: -2345 },
    { ...written, size: 2 ** 53 },
    { ...written, size: null },
  ];
  const text = [...lines, written].map((line) => JSON.stringify(line)).join('\n');
  t.deepEqual(decodeSeals(`\0\0\0\n\n{\n${text}`), [written]);
});
