/**
 * A process that mounts a memory tree through the kernel transport and does what its parent's messages say.
 * Arguments: mountpoint, a file to be passed through, the user to become, mount options.
 */
import { fstatSync, openSync, readSync } from 'node:fs';
import { FileSystem } from '../../fs/filesystem.js';
import type { Caller, FileHandle, Name, OpenMode, Written } from '../../fs/node.js';
import { kernelTransport } from '../../fs/transport/kernel/kernel.js';
import { MemoryDirectory, MemoryFile, memoryStatFs } from './memory-tree.js';

const [mountpoint = '', backed = '', user = '0', options = ''] = process.argv.slice(2);

/** What the parent may ask for; every message is answered with one of the same `ask`. */
export type Ask = 'go' | 'change' | 'swap' | 'report' | 'unmount' | 'unmount-lazily' | 'abort';

/** What the child says: answers, and on its own account that it is ready, waits, was interrupted or has ended. */
export interface Said {
  readonly ask: Ask | 'ready' | 'waiting' | 'interrupted' | 'ended';
  readonly passthrough?: boolean;
  readonly error?: string | undefined;
  readonly inodes?: number;
  /** Files that are open. */
  readonly open?: number;
  readonly lookups?: number;
  readonly answered?: Readonly<Record<string, number>>;
  readonly defects?: readonly string[];
}

function say(message: Said): void {
  process.send?.(message);
}

let go = (): void => undefined;
const gate = new Promise<void>((resolve) => (go = resolve));

let opened = 0;

/** Counts how often it is open. */
class CountedFile extends MemoryFile {
  override async open(flags: number): Promise<FileHandle> {
    const handle = await super.open(flags);
    opened++;
    return {
      ...handle,
      release() {
        opened--;
      },
    };
  }
}

/** Its reads wait for the parent. */
class SlowFile extends CountedFile {
  override async read(into: Uint8Array, offset: number): Promise<number> {
    say({ ask: 'waiting' });
    await gate;
    return super.read(into, offset);
  }
}

/** Its open waits until the caller is interrupted. */
class PatientFile extends MemoryFile {
  override open(_: number, caller?: Caller): Promise<FileHandle> {
    say({ ask: 'waiting' });
    return new Promise((_, reject) => {
      caller?.signal.addEventListener('abort', () => {
        say({ ask: 'interrupted' });
        reject(caller.signal.reason as Error);
      });
    });
  }
}

class ThrowingFile extends MemoryFile {
  override read(): number {
    // eslint-disable-next-line @typescript-eslint/only-throw-error -- what the dispatcher must survive
    throw 'no error at all';
  }
}

class RejectingFile extends MemoryFile {
  override open(): Promise<FileHandle> {
    return Promise.reject(new TypeError('a defect'));
  }
}

/** Says that it filled more than it was given. */
class OverfullFile extends MemoryFile {
  override read(into: Uint8Array): number {
    return into.length + 1;
  }
}

/** Takes what is written only later, as a hasher on the thread pool does. */
class HoldingFile extends MemoryFile {
  override mode: OpenMode = { direct: true };

  protected override write(data: Uint8Array, offset: number): Written {
    const size = Math.max(this.content.length, offset + data.length);
    if (size > this.content.length) this.resize(size);
    const held = new Promise<void>((resolve) =>
      setTimeout(() => {
        this.content.set(data, offset);
        resolve();
      }, 5),
    );
    return { size: data.length, held };
  }
}

/** A file of the disk, read there. */
class BackedFile extends CountedFile {
  readonly #descriptor = openSync(backed, 'r');
  override mode: OpenMode = { backing: this.#descriptor, keepCache: true, noFlush: true };

  override get size(): number {
    return fstatSync(this.#descriptor).size;
  }

  override read(into: Uint8Array, offset: number): number {
    return readSync(this.#descriptor, into, 0, into.length, offset);
  }
}

let lookups = 0;

class CountingDirectory extends MemoryDirectory {
  override lookup(name: Name): MemoryFile | undefined {
    lookups++;
    return super.lookup(name) as MemoryFile | undefined;
  }
}

const many = Array.from({ length: 10_000 }, (_, index) => [`file-${index}`, new MemoryFile()] as const);
const cached = { entry: 3600, attr: 3600 };
const remembered = new MemoryFile('old\n');
remembered.validity = cached;
remembered.mode = { keepCache: true };
const forgetful = new CountingDirectory();
forgetful.absence = 3600;
const root = new MemoryDirectory({
  hello: new CountedFile('hello\n'),
  work: new MemoryDirectory({}, 0o777),
  slow: new SlowFile('slow\n'),
  patient: new PatientFile(),
  throwing: new ThrowingFile('x'),
  rejecting: new RejectingFile('x'),
  overfull: new OverfullFile('x'),
  holding: new HoldingFile(),
  remembered,
  forgetful,
  many: new MemoryDirectory(Object.fromEntries(many)),
  ...(backed && { backed: new BackedFile(), sealed: new BackedFile('', 0o400) }),
});
if (user !== '0') {
  process.setgroups?.([]);
  process.setgid?.(Number(user));
  process.setuid?.(Number(user));
}

const filesystem = new FileSystem(root, memoryStatFs);
const answered: Record<string, number> = {};
const defects: string[] = [];
const mounted = await kernelTransport
  .mount(
    filesystem,
    { mountpoint, source: '/a store, spaced', options: options === '' ? [] : options.split(',') },
    {
      answered: (operation) => (answered[operation] = (answered[operation] ?? 0) + 1),
      defect: (operation, error) => defects.push(`${operation}: ${String(error)}`),
    },
  )
  .catch((error: unknown) => {
    say({ ask: 'ready', error: String(error) });
    process.exit(1);
  });

const ACTIONS: Readonly<Record<Ask, () => void | Promise<void>>> = {
  go: () => go(),
  change() {
    remembered.content = Buffer.from('new\n');
    filesystem.forgetContent(remembered);
  },
  swap() {
    const other = new MemoryFile('other\n');
    other.validity = cached;
    root.children.set('remembered' as Name, other);
    filesystem.forgetName(root, 'remembered' as Name);
  },
  report: () => undefined,
  unmount: () => mounted.unmount(false),
  'unmount-lazily': () => mounted.unmount(true),
  abort: () => mounted.abort(),
};

process.on('message', (ask: Ask) => {
  const report = (error?: unknown): void => {
    const failed =
      error instanceof Error ? ((error as NodeJS.ErrnoException).code ?? error.message) : undefined;
    say({ ask, error: failed, inodes: filesystem.inodes.size, open: opened, lookups, answered, defects });
  };
  Promise.resolve(ACTIONS[ask]()).then(() => report(), report);
});
mounted.ended.then(
  () => say({ ask: 'ended', open: opened }),
  (error: unknown) => say({ ask: 'ended', open: opened, error: String(error) }),
);
say({ ask: 'ready', passthrough: mounted.passthrough });
