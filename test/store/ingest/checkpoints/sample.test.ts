import fs from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { sampleOf } from '../../../../store/ingest/checkpoints/sample.js';
import { seededBytes } from '../../../helpers/bytes.js';
import { temporaryDirectory } from '../../../helpers/temporary.js';
import { tamper } from './on-disk.js';

function file(t: ExecutionContext, content: Uint8Array): { path: string; fd: number } {
  const path = join(temporaryDirectory(t), 'data');
  fs.writeFileSync(path, content);
  const fd = fs.openSync(path, 'r');
  t.teardown(() => fs.closeSync(fd));
  return { path, fd };
}

test('each byte of a small file, and the last block of a large one, is in the sample', async (t) => {
  for (const size of [1, 2, 4095, 4096, 4097, 60_000, 65_536, 10_000_000]) {
    const { path, fd } = file(t, seededBytes(size));
    const before = await sampleOf(fd, size);
    t.is(await sampleOf(fd, size), before);
    const places = size <= 65_536 ? [0, 1, size >> 1, size - 2, size - 1] : [0, 4095, size - 4096, size - 1];
    for (const at of places.filter((place) => place >= 0 && place < size)) {
      tamper(path, at);
      t.not(await sampleOf(fd, size), before, `byte ${at} of ${size}`);
      tamper(path, at);
    }
    t.is(await sampleOf(fd, size), before);
  }
});

test('the sample is of the bytes below the offset alone, and of the offset', async (t) => {
  const { path, fd } = file(t, Buffer.alloc(100_000));
  const before = await sampleOf(fd, 50_000);
  t.not(await sampleOf(fd, 49_999), before);
  tamper(path, 50_000, 50_000);
  t.is(await sampleOf(fd, 50_000), before);
  t.regex(await sampleOf(fd, 0), /^[0-9a-f]{32}$/);
});

test('a file that ends before the offset is an error', async (t) => {
  const { fd } = file(t, Buffer.alloc(5000));
  await t.throwsAsync(sampleOf(fd, 5001), { message: /the file ends/ });
});
