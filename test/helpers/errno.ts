import { constants } from 'node:os';
import { errnoOf } from '../../fs/errors.js';

/** Where two names share a number, the first one, as EAGAIN and EOPNOTSUPP. */
const NAMES = new Map(
  Object.entries(constants.errno)
    .filter(([name]) => name !== 'EWOULDBLOCK' && name !== 'ENOTSUP')
    .map(([name, number]) => [number, name]),
);

/** The symbolic errno of whatever was thrown, as a caller of the mount would see it; the error itself where it has none. */
export function errnoNameOf(error: unknown): string {
  const number = errnoOf(error);
  return number === undefined ? `no errno: ${String(error)}` : (NAMES.get(number) ?? `errno ${number}`);
}

/** The symbolic errno with which `action` fails; `OK` where it succeeds. */
export async function errnoFrom(action: () => unknown): Promise<string> {
  try {
    await action();
    return 'OK';
  } catch (error) {
    return errnoNameOf(error);
  }
}

/** Does it until it is refused; how often it was done before, and the errno. */
export async function untilRefused(
  action: (time: number) => Promise<void>,
): Promise<{ done: number; errno: string }> {
  for (let done = 0; done < 10_000; done++) {
    const errno = await errnoFrom(() => action(done));
    if (errno !== 'OK') return { done, errno };
  }
  throw new Error('it is never refused');
}
