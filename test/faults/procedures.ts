import { promises as fs } from 'node:fs';
import { removeXattr, setXattr } from '../../store/xattrs.js';
import { errnoNameOf } from '../helpers/errno.js';
import { ANSWER } from './form.js';

/** The first step of a procedure that failed, with its symbolic errno; `hangs` where there was no answer. */
export interface Failure {
  readonly step: string;
  readonly errno: string;
}

class StepFailed extends Error {
  readonly failure: Failure;

  constructor(failure: Failure) {
    super(`${failure.step}: ${failure.errno}`);
    this.failure = failure;
  }
}

/** What a procedure works with: names in the mount, the bytes to be committed, and calls that must be answered. */
export class Client {
  readonly content: Buffer;
  readonly blob: string;
  readonly ref: string;
  readonly #mountpoint: string;
  /** Takes a commit that was acknowledged. */
  readonly #acknowledge: () => void;
  readonly #open = new Set<fs.FileHandle>();

  constructor(
    mountpoint: string,
    { content, blob, ref }: { content: Buffer; blob: string; ref: string },
    acknowledge: () => void,
  ) {
    this.#mountpoint = mountpoint;
    this.content = content;
    this.blob = blob;
    this.ref = `ingest/${ref}`;
    this.#acknowledge = acknowledge;
  }

  /** Runs a procedure until a step fails, and closes what it has open then. */
  async run(procedure: Procedure['run']): Promise<Failure | undefined> {
    try {
      await procedure(this);
      return undefined;
    } catch (error) {
      if (!(error instanceof StepFailed)) throw error;
      return error.failure;
    } finally {
      for (const file of this.#open) await answered(file.close()).catch(() => undefined);
      this.#open.clear();
    }
  }

  /** A call; `step` names it. @throws StepFailed */
  async step<T>(step: string, call: () => Promise<T>): Promise<T> {
    try {
      return await answered(call());
    } catch (error) {
      throw new StepFailed({ step, errno: error === HANGS ? 'hangs' : errnoNameOf(error) });
    }
  }

  async open(name: string, flags: string): Promise<fs.FileHandle> {
    const file = await this.step(`open ${flags}`, () => fs.open(this.#at(name), flags, 0o640));
    this.#open.add(file);
    return file;
  }

  /** Writes bytes [from, to) of the content at their place, as write(2) is used: what was not taken is given again. */
  async write(file: fs.FileHandle, from: number, to: number, content = this.content): Promise<void> {
    for (let at = from; at < to;) {
      const { bytesWritten } = await this.step('write', () => file.write(content, at, to - at, at));
      at += bytesWritten;
    }
  }

  sync(file: fs.FileHandle): Promise<void> {
    return this.step('fsync', () => file.sync());
  }

  async close(file: fs.FileHandle): Promise<void> {
    this.#open.delete(file);
    await this.step('close', () => file.close());
  }

  /** Creates a file with the whole content. */
  async put(name: string): Promise<void> {
    const file = await this.open(name, 'wx');
    await this.write(file, 0, this.content.length);
    await this.close(file);
  }

  /** The commit of an ingest by rename(2). */
  async commit(name = this.ref): Promise<void> {
    await this.rename(name, this.blob, 'commit');
    this.#acknowledge();
  }

  async commitByLink(): Promise<void> {
    await this.step('commit', () => fs.link(this.#at(this.ref), this.#at(this.blob)));
    this.#acknowledge();
  }

  async commitByClose(): Promise<void> {
    await this.put(this.blob);
    this.#acknowledge();
  }

  rename(from: string, to: string, step = 'rename'): Promise<void> {
    return this.step(step, () => fs.rename(this.#at(from), this.#at(to)));
  }

  unlink(name: string): Promise<void> {
    return this.step('unlink', () => fs.unlink(this.#at(name)));
  }

  mkdir(name: string): Promise<void> {
    return this.step('mkdir', () => fs.mkdir(this.#at(name)));
  }

  rmdir(name: string): Promise<void> {
    return this.step('rmdir', () => fs.rmdir(this.#at(name)));
  }

  names(directory: string): Promise<string[]> {
    return this.step('readdir', () => fs.readdir(this.#at(directory)));
  }

  truncate(name: string, size: number): Promise<void> {
    return this.step('truncate', () => fs.truncate(this.#at(name), size));
  }

  chmod(name: string, mode: number): Promise<void> {
    return this.step('chmod', () => fs.chmod(this.#at(name), mode));
  }

  touch(name: string): Promise<void> {
    return this.step('utimes', () => fs.utimes(this.#at(name), 1e9, 1e9));
  }

  declare(name: string): Promise<void> {
    return this.#setXattr(name, 'user.cas.total', `${this.content.length}`);
  }

  label(value: string): Promise<void> {
    return this.#setXattr(this.blob, 'user.cas.label.x', value);
  }

  removeLabel(): Promise<void> {
    return this.step('removexattr', () => removeXattr(this.#at(this.blob), 'user.cas.label.x'));
  }

  read(name: string): Promise<Buffer> {
    return this.step('read', () => fs.readFile(this.#at(name)));
  }

  /** The size of a file; undefined where there is none. */
  async size(name: string): Promise<number | undefined> {
    return this.step('stat', async () => {
      try {
        return (await fs.stat(this.#at(name))).size;
      } catch (error) {
        if (errnoNameOf(error) === 'ENOENT') return undefined;
        throw error;
      }
    });
  }

  #setXattr(name: string, attribute: string, value: string): Promise<void> {
    return this.step('setxattr', () => setXattr(this.#at(name), attribute, Buffer.from(value), 0));
  }

  #at(name: string): string {
    return `${this.#mountpoint}/${name}`;
  }
}

const HANGS = new Error('no answer');

async function answered<T>(call: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(HANGS), ANSWER);
  });
  return Promise.race([call, late]).finally(() => clearTimeout(timer));
}

/** Calls that are made one after the other. */
export interface Procedure {
  readonly title: string;
  /** Done before, while there are no faults. */
  readonly prepare?: (client: Client) => Promise<void>;
  readonly run: (client: Client) => Promise<void>;
  /** It cuts the file to nothing, which clears the error of a sync. */
  readonly cuts?: true;
}

export const PROCEDURES: readonly Procedure[] = [
  {
    title: 'written twice, declared and committed',
    run: async (client) => {
      const middle = client.content.length >> 1;
      const file = await client.open(client.ref, 'wx');
      await client.write(file, 0, middle);
      await client.sync(file);
      await client.close(file);
      await client.declare(client.ref);
      const again = await client.open(client.ref, 'r+');
      await client.write(again, middle, client.content.length);
      await client.sync(again);
      await client.close(again);
      await client.commit();
    },
  },
  {
    title: 'written back to front',
    run: async (client) => {
      const middle = client.content.length >> 1;
      const file = await client.open(client.ref, 'wx');
      await client.write(file, middle, client.content.length);
      await client.write(file, 0, middle);
      await client.close(file);
      await client.commit();
    },
  },
  { title: 'made under its digest', run: (client) => client.commitByClose() },
  {
    title: 'committed by link(2)',
    run: async (client) => {
      await client.put(client.ref);
      await client.commitByLink();
      await client.unlink(client.ref);
    },
  },
  {
    title: 'committed again',
    prepare: (client) => client.commitByClose(),
    run: async (client) => {
      await client.put(client.ref);
      await client.commit();
    },
  },
  {
    title: 'given another name',
    run: async (client) => {
      await client.put(client.ref);
      await client.rename(client.ref, `${client.ref}-2`);
      await client.commit(`${client.ref}-2`);
    },
  },
  {
    title: 'cut and written again',
    run: async (client) => {
      await client.put(client.ref);
      await client.truncate(client.ref, 100);
      const rest = await client.open(client.ref, 'r+');
      await client.write(rest, 100, client.content.length);
      await client.close(rest);
      await client.commit();
    },
  },
  {
    title: 'cut to nothing and written again',
    cuts: true,
    run: async (client) => {
      await client.put(client.ref);
      const file = await client.open(client.ref, 'w');
      await client.write(file, 0, client.content.length);
      await client.close(file);
      await client.commit();
    },
  },
  {
    title: 'removed',
    prepare: async (client) => {
      await client.put(client.ref);
      await client.declare(client.ref);
    },
    run: (client) => client.unlink(client.ref),
  },
  {
    title: 'in a directory',
    run: async (client) => {
      await client.mkdir(`${client.ref}-d`);
      await client.put(`${client.ref}-d/x`);
      await client.commit(`${client.ref}-d/x`);
      await client.rmdir(`${client.ref}-d`);
    },
  },
  {
    title: 'with permissions and times of its own',
    run: async (client) => {
      await client.put(client.ref);
      await client.declare(client.ref);
      await client.chmod(client.ref, 0o600);
      await client.touch(client.ref);
      await client.commit();
    },
  },
  {
    title: 'a blob that is labelled',
    prepare: (client) => client.commitByClose(),
    run: async (client) => {
      await client.label('1');
      await client.removeLabel();
    },
  },
  {
    title: 'a blob that is read',
    prepare: (client) => client.commitByClose(),
    run: async (client) => {
      await client.read(client.blob);
      await client.names('blobs/sha256');
    },
  },
];

/** Completes whatever a fault has left, without any. @throws where a step fails that must not */
export async function finish(client: Client): Promise<void> {
  for (const name of [client.ref, `${client.ref}-2`, `${client.ref}-d/x`]) {
    const size = await client.size(name);
    if (size === undefined) continue;
    if ((await client.size(client.blob)) === undefined) await complete(client, name, size);
    else await client.unlink(name);
  }
  if ((await client.size(`${client.ref}-d`)) !== undefined) await client.rmdir(`${client.ref}-d`);
  if ((await client.size(client.blob)) === undefined) await client.commitByClose();
  const left = (await client.names('ingest')).filter((name) => `ingest/${name}`.startsWith(client.ref));
  if (left.length > 0) throw new Error(`left: ${left.join(' ')}`);
  if (!(await client.read(client.blob)).equals(client.content)) throw new Error('the blob has other bytes');
}

/** Resumes an ingest from its size; where an error of the disk was final for it, from nothing. */
async function complete(client: Client, name: string, size: number): Promise<void> {
  const resumed = await client.run(async () => {
    const file = await client.open(name, 'r+');
    await client.write(file, size, client.content.length);
    await client.close(file);
    await client.commit(name);
  });
  if (resumed === undefined) return;
  if (resumed.errno !== 'EIO' && resumed.errno !== 'EBADMSG') throw new StepFailed(resumed);
  const file = await client.open(name, 'w');
  await client.write(file, 0, client.content.length);
  await client.close(file);
  await client.commit(name);
}
