import { createHash } from 'node:crypto';
import test from 'ava';
import { DigestTable } from '../../../store/payloads/digest-table.js';

test('a table finds what was added to it, and nothing else', (t) => {
  const table = new DigestTable();
  const digest = (number: number): Buffer => createHash('sha256').update(`${number}`).digest();
  const count = 20_000;
  for (let number = 0; number < count; number++) {
    t.is(table.find(digest(number)), undefined);
    t.is(table.add(digest(number)), number);
  }
  t.is(table.size, count);
  for (let number = 0; number < count; number++) {
    if (table.find(digest(number)) !== number || !table.at(number).equals(digest(number)))
      t.fail(`${number}`);
    if (table.find(digest(count + number)) !== undefined) t.fail(`${count + number}`);
  }
});

test('digests that begin alike are told apart', (t) => {
  const table = new DigestTable();
  const digests = Array.from({ length: 300 }, (_, number) => {
    const digest = Buffer.alloc(32, 7);
    digest.writeUInt16BE(number, 30);
    return digest;
  });
  for (const digest of digests) table.add(digest);
  t.deepEqual(
    digests.map((digest) => table.find(digest)),
    digests.map((_, number) => number),
  );
});
