/**
 * A process that mounts a memory tree through libfuse and does what its parent's messages say.
 * Arguments: mountpoint, source, mount options joined by commas.
 */
import { FsError } from '../../../../fs/errors.js';
import { FileSystem } from '../../../../fs/filesystem.js';
import type { Awaitable, Caller, FileHandle, OpenMode, Written } from '../../../../fs/node.js';
import { fuseNativeTransport } from '../../../../fs/transport/fuse-native/fuse-native.js';
import { MemoryDirectory, MemoryFile, memoryStatFs } from '../../memory-tree.js';

/** What the parent may ask for; each is answered with a {@link Said} of the same `ask`. */
export type Ask = 'report' | 'unmount' | 'unmount-lazily' | 'abort' | 'change';

/** What the child says. */
export interface Said {
  readonly ask: Ask | 'ready' | 'failed' | 'waiting' | 'interrupted' | 'ended';
  readonly error?: string | undefined;
  readonly inodes?: number;
  readonly open?: number;
  readonly pending?: number;
  readonly largestWrite?: number;
  readonly answered?: readonly string[];
  readonly defects?: readonly string[];
}

const [mountpoint = '', source = '/store', options = ''] = process.argv.slice(2);

function say(message: Said): void {
  process.send?.(message);
}

/** Its open waits until the caller is interrupted or the connection ends. */
class PatientFile extends MemoryFile {
  override open(_: number, caller?: Caller): Promise<FileHandle> {
    say({ ask: 'waiting' });
    return new Promise((_resolve, reject) => {
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

/** Has attributes that no struct stat can hold. */
class UnspeakableFile extends MemoryFile {
  override get size(): number {
    return 'large' as unknown as number;
  }
}

/** Can be opened for nothing but reading. */
class BusyFile extends MemoryFile {
  override open(flags: number): Awaitable<FileHandle> {
    if ((flags & 3) !== 0) throw new FsError('EBUSY');
    return super.open(flags);
  }
}

/** Holds the uid of whoever opens it. */
class UidFile extends MemoryFile {
  override mode: OpenMode = { direct: true };

  override open(flags: number, caller?: Caller): Awaitable<FileHandle> {
    this.content = Buffer.from(`${caller?.uid ?? '?'}\n`);
    return super.open(flags);
  }
}

let largestWrite = 0;

/** Takes what is written only later, as a hasher on the thread pool does. */
class HoldingFile extends MemoryFile {
  override mode: OpenMode = { direct: true };

  protected override write(data: Uint8Array, offset: number): Written {
    largestWrite = Math.max(largestWrite, data.length);
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

const remembered = new MemoryFile('old\n');
remembered.validity = { entry: 3600, attr: 3600 };
remembered.mode = { keepCache: true };
const many = Array.from({ length: 10_000 }, (_, index) => [`file-${index}`, new MemoryFile()] as const);
const root = new MemoryDirectory({
  hello: new MemoryFile('hello\n'),
  work: new MemoryDirectory({}, 0o777),
  many: new MemoryDirectory(Object.fromEntries(many)),
  patient: new PatientFile(),
  throwing: new ThrowingFile('x'),
  rejecting: new RejectingFile('x'),
  overfull: new OverfullFile('x'),
  unspeakable: new UnspeakableFile(),
  busy: new BusyFile('busy\n'),
  uid: new UidFile('?????\n'),
  holding: new HoldingFile(),
  remembered,
});

const filesystem = new FileSystem(root, memoryStatFs);
const answered = new Set<string>();
const defects: string[] = [];
const mounted = await fuseNativeTransport
  .mount(
    filesystem,
    { mountpoint, source, options: options === '' ? [] : options.split(',') },
    {
      answered: (operation) => answered.add(operation),
      defect: (operation, error) => defects.push(`${operation}: ${String(error)}`),
    },
  )
  .catch((error: unknown) => {
    say({ ask: 'failed', error: (error as Error).message });
    process.exit(1);
  });

const ACTIONS: Readonly<Record<Ask, () => void | Promise<void>>> = {
  report: () => undefined,
  unmount: () => mounted.unmount(false),
  'unmount-lazily': () => mounted.unmount(true),
  abort: () => mounted.abort(),
  change() {
    remembered.content = Buffer.from('new\n');
    filesystem.forgetContent(remembered);
  },
};

process.on('message', (ask: Ask) => {
  const report = (error?: unknown): void => {
    say({
      ask,
      error: error instanceof Error ? ((error as NodeJS.ErrnoException).code ?? error.message) : undefined,
      inodes: filesystem.inodes.size,
      open: filesystem.files.size + filesystem.directories.size,
      pending: mounted.pending,
      largestWrite,
      answered: [...answered],
      defects,
    });
  };
  Promise.resolve(ACTIONS[ask]()).then(() => report(), report);
});
// Without the channel to its parent nothing but the mount keeps the process.
process.channel?.unref();
mounted.ended.then(
  () => say({ ask: 'ended', open: filesystem.files.size + filesystem.directories.size }),
  (error: unknown) => say({ ask: 'ended', error: (error as NodeJS.ErrnoException).code ?? String(error) }),
);
say({ ask: 'ready' });
