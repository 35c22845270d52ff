import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import { setImmediate as turn } from 'node:timers/promises';
import test from 'ava';
import { decompressed, type Limits } from '../../../store/compression/decompressed.js';
import type { CasError, ErrorCode } from '../../../store/errors.js';
import { seededBytes } from '../../helpers/bytes.js';

const COMMANDS = { gzip: ['gzip', '-c'], zstd: ['zstd', '-qc', '-'] } as const;
type Compression = keyof typeof COMMANDS;
const COMPRESSIONS = Object.keys(COMMANDS) as Compression[];

/** What the command-line tool makes of the bytes. */
function compress(format: Compression, bytes: Buffer, ...options: string[]): Buffer {
  const [program, ...args] = COMMANDS[format];
  return execFileSync(program, [...options, ...args], { input: bytes, maxBuffer: 2 ** 30 });
}

/** Text and noise, so that there are blocks of both kinds. */
function content(size: number, seed = 1): Buffer {
  const bytes = seededBytes(size, seed);
  return Buffer.concat([bytes.subarray(0, size / 2), Buffer.from(bytes.toString('hex'))]).subarray(0, size);
}

async function* chunks(bytes: Buffer, size = 65_536): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += size) {
    await turn();
    yield bytes.subarray(at, at + size);
  }
}

async function all(
  bytes: Buffer,
  size?: number,
  limits?: Limits,
): Promise<{ format: string; bytes: Buffer }> {
  const { format, bytes: output } = await decompressed(chunks(bytes, size), limits);
  const parts: Buffer[] = [];
  for await (const part of output) parts.push(part);
  return { format, bytes: Buffer.concat(parts) };
}

/** Reads all, for a failure. */
async function read(bytes: Buffer, size?: number, limits?: Limits): Promise<void> {
  await all(bytes, size, limits);
}

function is(code: ErrorCode, message?: RegExp): object {
  return { code, ...(message && { message }) };
}

for (const format of COMPRESSIONS) {
  test(`${format}: what the tool has compressed comes back, however it is cut into chunks`, async (t) => {
    const bytes = content(3_000_001);
    const compressed = compress(format, bytes);
    for (const size of [4099, 65_536, compressed.length]) {
      const result = await all(compressed, size);
      t.is(result.format, format);
      t.true(result.bytes.equals(bytes), `chunks of ${size}`);
    }
    const short = content(1000);
    t.true((await all(compress(format, short), 1)).bytes.equals(short));
    t.is((await all(compress(format, Buffer.alloc(0)))).bytes.length, 0);
  });

  test(`${format}: members and frames one after the other are one stream`, async (t) => {
    const parts = [content(70_000, 1), Buffer.alloc(0), content(10, 2), content(1_100_000, 3)];
    const compressed = Buffer.concat(parts.map((part) => compress(format, part)));
    const lengths = [997, compress(format, content(70_000, 1)).length, compressed.length];
    for (const size of lengths) t.true((await all(compressed, size)).bytes.equals(Buffer.concat(parts)));
  });

  test(`${format}: output that fills chunks exactly comes back`, async (t) => {
    for (const size of [2 ** 20 - 1, 2 ** 20, 2 ** 20 + 1, 2 ** 21]) {
      const bytes = Buffer.alloc(size, 'a');
      const compressed = compress(format, bytes);
      t.true((await all(compressed)).bytes.equals(bytes), `${size}`);
      t.is((await all(Buffer.concat([compressed, compressed]))).bytes.length, 2 * size);
    }
  });

  test(`${format}: a stream that is cut anywhere is refused`, async (t) => {
    const compressed = compress(format, content(300_000));
    const cuts = [4, 5, 9, 10, 11, 18, 100, 1000, 65_536, 131_072, 150_000];
    for (const cut of [...cuts, ...[9, 8, 5, 4, 3, 2, 1].map((tail) => compressed.length - tail)])
      await t.throwsAsync(read(compressed.subarray(0, cut)), is('LAYER_INVALID', /end/), `at ${cut}`);
    const twice = Buffer.concat([compressed, compressed]);
    for (const cut of [1, 2, 3, 4, 12])
      await t.throwsAsync(
        read(twice.subarray(0, compressed.length + cut)),
        is('LAYER_INVALID'),
        `second, ${cut}`,
      );
  });

  test(`${format}: a flipped bit anywhere is found`, async (t) => {
    const bytes = content(200_000);
    const compressed = compress(format, bytes, ...(format === 'gzip' ? ['-n'] : []));
    // Bytes 4 to 9 of gzip are the time, flags for programs and the system: nothing depends on them.
    const first = format === 'gzip' ? 10 : 4;
    for (let at = first; at < compressed.length; at += at < 40 ? 1 : 4999) {
      const damaged = Buffer.from(compressed);
      damaged.writeUInt8(damaged.readUInt8(at) ^ 0x10, at);
      // There are bits that nothing depends on, such as those that fill up a byte before a stored block.
      const found = await all(damaged).then(
        (result) => (result.bytes.equals(bytes) ? 'the same' : 'other bytes'),
        (error: unknown) => (error as Error).message,
      );
      t.regex(found, new RegExp(`^(the same|${format}, byte \\d+: .*found \\w.*)$`), `byte ${at}`);
    }
    for (let at = compressed.length - 4; at < compressed.length; at++) {
      const damaged = Buffer.from(compressed);
      damaged.writeUInt8(damaged.readUInt8(at) ^ 1, at);
      await t.throwsAsync(read(damaged), is('LAYER_INVALID'), `checksum, byte ${at}`);
    }
  });

  test(`${format}: something else after the end is refused`, async (t) => {
    const compressed = compress(format, content(100_000));
    for (const garbage of ['x', 'garbage that is longer than a header'])
      for (const size of [compressed.length, 1000, 2 ** 20])
        await t.throwsAsync(
          read(Buffer.concat([compressed, Buffer.from(garbage)]), size),
          is('LAYER_INVALID'),
          `${garbage} ${size}`,
        );
  });

  test(`${format}: a bomb stops at the limit`, async (t) => {
    const bomb = compress(format, Buffer.alloc(64 * 2 ** 20));
    t.true(bomb.length < 100_000);
    const { bytes } = await decompressed(chunks(bomb), { maxSize: 3_000_000 });
    let size = 0;
    const error = await t.throwsAsync<CasError>(
      async () => {
        for await (const chunk of bytes) {
          size += chunk.length;
          t.true(chunk.length <= 2 ** 20);
        }
      },
      is('LAYER_TOO_LARGE', /at most 3000000 bytes/),
    );
    t.is(error.errno, 'EFBIG');
    t.true(size <= 3_000_000 && size > 1_900_000, `${size}`);
    t.is((await all(bomb, undefined, { maxSize: 64 * 2 ** 20 })).bytes.length, 64 * 2 ** 20);
    await t.throwsAsync(read(bomb, undefined, { maxSize: 64 * 2 ** 20 - 1 }), is('LAYER_TOO_LARGE'));
  });

  test(`${format}: what the source throws is thrown, and the source closed`, async (t) => {
    const compressed = compress(format, content(500_000));
    let closed = 0;
    async function* failing(): AsyncGenerator<Buffer> {
      try {
        yield* chunks(compressed.subarray(0, 200_000));
        throw new Error('the disk is gone');
      } finally {
        closed++;
      }
    }
    const { bytes } = await decompressed(failing());
    await t.throwsAsync(
      async () => {
        for await (const chunk of bytes) t.true(chunk.length > 0);
      },
      { message: 'the disk is gone' },
    );
    t.is(closed, 1);
  });

  test(`${format}: an abort ends it, also while the source has nothing to give`, async (t) => {
    const compressed = compress(format, content(500_000));
    const controller = new AbortController();
    async function* stalled(): AsyncGenerator<Buffer> {
      yield compressed.subarray(0, 100_000);
      setImmediate(() => controller.abort(new Error('no longer wanted')));
      await new Promise(() => undefined);
    }
    const { bytes } = await decompressed(stalled(), { signal: controller.signal });
    await t.throwsAsync(
      async () => {
        for await (const chunk of bytes) t.true(chunk.length > 0);
      },
      { message: 'no longer wanted' },
    );
  });

  test(`${format}: a reader that stops, even before it begins, closes the source`, async (t) => {
    const compressed = compress(format, content(5_000_000));
    let open = 0;
    async function* counted(): AsyncGenerator<Buffer> {
      open++;
      try {
        yield* chunks(compressed);
      } finally {
        open--;
      }
    }
    for await (const chunk of (await decompressed(counted())).bytes) {
      t.true(chunk.length > 0);
      break;
    }
    await turn();
    await (await decompressed(counted())).bytes.return();
    await turn();
    t.is(open, 0);
  });
}

test('gzip: zeros after the last member are no garbage, unless something follows them', async (t) => {
  const bytes = content(100_000);
  const compressed = compress('gzip', bytes);
  for (const zeros of [1, 7, 512, 200_000]) {
    const padded = Buffer.concat([compressed, Buffer.alloc(zeros)]);
    for (const size of [compressed.length, compressed.length - 1, 65_536, padded.length])
      t.true((await all(padded, size)).bytes.equals(bytes), `${zeros} zeros, chunks of ${size}`);
    for (const size of [compressed.length, 65_536, padded.length + 1])
      await t.throwsAsync(
        read(Buffer.concat([padded, compressed]), size),
        is('LAYER_INVALID', new RegExp(`byte ${padded.length}: .*after the end`)),
      );
  }
});

test('zstd: the last bytes of a frame without a checksum come out, however full the chunk was', async (t) => {
  for (const before of [0, 100_000])
    for (const size of [2 ** 20, 2 ** 20 + 1]) {
      const bytes = [Buffer.alloc(before, 'a'), content(size)];
      const compressed = bytes.map((part) => compress('zstd', part, '--no-check'));
      for (const chunk of [65_536, 2 ** 22]) {
        const result = await all(Buffer.concat(compressed), chunk);
        t.true(result.bytes.equals(Buffer.concat(bytes)), `${before} and ${size}, chunks of ${chunk}`);
      }
      const cut = Buffer.concat(compressed).subarray(0, -1);
      await t.throwsAsync(read(cut), is('LAYER_INVALID', /end/));
    }
});

test('zstd: skippable frames hold nothing, wherever they are', async (t) => {
  const bytes = content(100_000);
  const compressed = compress('zstd', bytes);
  const skippable = Buffer.concat([
    Buffer.from([0x5e, 0x2a, 0x4d, 0x18, 100, 0, 0, 0]),
    Buffer.alloc(100, 'x'),
  ]);
  const all3 = [skippable, compressed, skippable, compressed, skippable];
  const result = await all(Buffer.concat(all3), 999);
  t.is(result.format, 'zstd');
  t.true(result.bytes.equals(Buffer.concat([bytes, bytes])));
  t.is((await all(skippable)).bytes.length, 0);
  await t.throwsAsync(read(Buffer.concat(all3).subarray(0, -1)), is('LAYER_INVALID', /end/));
});

test('zstd: a window of 128 MiB is read, a larger one refused', async (t) => {
  const bytes = Buffer.alloc(300 * 2 ** 20);
  const within = compress('zstd', bytes, '--long=27');
  let size = 0;
  for await (const chunk of (await decompressed(chunks(within))).bytes) size += chunk.length;
  t.is(size, bytes.length);
  const beyond = compress('zstd', bytes, '--long=28');
  await t.throwsAsync(read(beyond), is('LAYER_TOO_LARGE', /window of at most 128 MiB/));
});

test('what has no magic is a tar and comes through as it is', async (t) => {
  for (const bytes of [Buffer.alloc(0), Buffer.from('\x1f'), Buffer.from([0x1f, 0x8b]), content(200_000)]) {
    const result = await all(bytes);
    t.is(result.format, 'tar');
    t.true(result.bytes.equals(bytes));
  }
  await t.throwsAsync(read(content(1000), 100, { maxSize: 999 }), is('LAYER_TOO_LARGE'));
});

test('nothing is read ahead of a reader that is slow', async (t) => {
  for (const format of COMPRESSIONS) {
    const compressed = compress(format, seededBytes(20 * 2 ** 20));
    let given = 0;
    async function* counted(): AsyncGenerator<Buffer> {
      for await (const chunk of chunks(compressed)) {
        given += chunk.length;
        yield chunk;
      }
    }
    const { bytes } = await decompressed(counted());
    await bytes.next();
    for (let round = 0; round < 500; round++) await turn();
    t.true(given < 4 * 2 ** 20, `${format}: ${given}`);
    await bytes.return();
  }
});

test('streams that fail give their windows back', async (t) => {
  const cut = compress('zstd', Buffer.alloc(40 * 2 ** 20), '--long=27').subarray(0, -5);
  const memory = (): number =>
    Number(/VmRSS:\s+(\d+)/.exec(fs.readFileSync('/proc/self/status', 'utf8'))?.[1]) / 1024;
  const before = memory();
  // Each holds a window of up to 40 MiB.
  for (let round = 0; round < 25; round++)
    await t.throwsAsync(async () => {
      for await (const chunk of (await decompressed(chunks(cut))).bytes) t.true(chunk.length > 0);
    }, is('LAYER_INVALID'));
  t.true(memory() - before < 400, `${memory() - before} MiB`);
});
