import { constants } from 'node:os';
import koffi from 'koffi';

/** An argument: an integer; memory as a typed array, a string as a string, `char **` as a list that ends with null. */
export type Argument = number | bigint | string | Uint8Array | readonly (string | null)[] | null;

/** A C function of this process (libc, or what the node binary exports), callable at once or on the thread pool. */
export interface NativeFunction {
  /**
   * Calls it now, on this thread.
   * @throws a system error in Node's shape (`code`, `errno`, `syscall`) when it returns a negative number
   */
  (...args: Argument[]): number;
  /** Calls it on the thread pool. Memory that is passed must stay alive and unchanged until the promise settles. */
  later(...args: Argument[]): Promise<number>;
}

// 256 by default, which 64 commits at a time exceed.
koffi.config({ max_async_calls: 4096 });
/** This process, for bindings that check nothing. Loaded here alone: koffi takes no configuration after that. */
export const self = koffi.load(null);
type KoffiFunction = ReturnType<typeof self.func>;
const codes = new Map(Object.entries(constants.errno).map(([code, number]) => [number, code]));

/**
 * Binds `prototype`, in C syntax (`int fsync(int fd)`; `long` for ssize_t, `int64_t` for off_t). The function is
 * looked up at its first call, which throws where this process has none of that name.
 */
export function bind(prototype: string): NativeFunction {
  let found: KoffiFunction | undefined;
  const native = (): KoffiFunction => (found ??= self.func(prototype));
  const name = /(\w+)\s*\(/.exec(prototype)?.[1] ?? prototype;
  const now = (...args: Argument[]): number => checked(name, native()(...args) as number);
  const later = (...args: Argument[]): Promise<number> =>
    new Promise((resolve, reject) => {
      native().async(...args, (error: Error | null, result: number) => {
        if (error) reject(error);
        else if (result < 0) reject(systemError(name, koffi.errno()));
        else resolve(result);
      });
    });
  return Object.assign(now, { later });
}

/** A system error as Node's own modules throw it. `errno` is positive. */
export function systemError(syscall: string, errno: number, subject = ''): NodeJS.ErrnoException {
  const code = codes.get(errno) ?? `E${errno}`;
  const error: NodeJS.ErrnoException = new Error(`${code}: ${syscall}${subject && ` '${subject}'`}`);
  return Object.assign(error, { code, errno: -errno, syscall });
}

function checked(name: string, result: number): number {
  if (result < 0) throw systemError(name, koffi.errno());
  return result;
}
