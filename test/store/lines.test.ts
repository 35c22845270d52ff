import { Readable } from 'node:stream';
import test from 'ava';
import { linesOf } from '../../store/lines.js';

test('lines are the same however the bytes come', async (t) => {
  const text = 'a\n\nbé\nlast';
  for (const size of [1, 2, 3, 100]) {
    const bytes = Buffer.from(text);
    const chunks = Array.from({ length: Math.ceil(bytes.length / size) }, (_, index) =>
      bytes.subarray(index * size, (index + 1) * size),
    );
    const found: string[] = [];
    for await (const line of linesOf(Readable.from(chunks))) found.push(line);
    t.deepEqual(found, ['a', '', 'bé', 'last']);
  }
});
