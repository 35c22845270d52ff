import koffi from 'koffi';
import { CasError } from '../errors.js';
// It configures koffi, which has to come before a library is loaded.
import '../libc.js';
import type { self } from '../libc.js';

type KoffiFunction = ReturnType<typeof self.func>;

/** The functions of zstd.h's stable interface that decompress a stream. Contexts are passed as their addresses. */
export interface Libzstd {
  readonly createContext: () => number;
  readonly freeContext: (context: number) => void;
  readonly setParameter: (context: number, parameter: number, value: number) => number;
  /** Works on the thread pool. What it is given must stay alive until it settles. */
  readonly decompressStream: (context: number, output: Buffer, input: Buffer) => Promise<number>;
  readonly errorName: (result: number) => string;
}

const SONAME = 'libzstd.so.1';
let loaded: Libzstd | undefined;

/** The system's libzstd. Results below zero are errors, with ZSTD_ErrorCode negated. @throws CasError ZSTD_MISSING */
export function libzstd(): Libzstd {
  return (loaded ??= load());
}

function load(): Libzstd {
  try {
    const library = koffi.load(SONAME);
    // size_t read as signed: an error is the negated code, sizes are far below half of its range.
    const decompress = library.func('long ZSTD_decompressStream(uintptr_t, uint8_t *, uint8_t *)');
    return {
      createContext: library.func('uintptr_t ZSTD_createDCtx(void)') as Libzstd['createContext'],
      freeContext: library.func('long ZSTD_freeDCtx(uintptr_t)') as Libzstd['freeContext'],
      setParameter: library.func(
        'long ZSTD_DCtx_setParameter(uintptr_t, int, int)',
      ) as Libzstd['setParameter'],
      decompressStream: (...args) => later(decompress, args),
      errorName: library.func('const char *ZSTD_getErrorName(long)') as Libzstd['errorName'],
    };
  } catch (cause) {
    throw new CasError('ZSTD_MISSING', { cause });
  }
}

function later(native: KoffiFunction, args: readonly unknown[]): Promise<number> {
  return new Promise((resolve, reject) => {
    native.async(...args, (error: Error | null, result: number) => (error ? reject(error) : resolve(result)));
  });
}
