import fs from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ExecutionContext } from 'ava';
import { Level } from 'level';
import {
  Database,
  type DatabaseOptions,
  type Operation,
  type Write,
} from '../../../store/metadata/database.js';
import type { StoreEvent } from '../../../store/report.js';
import { temporaryDirectory } from '../../helpers/temporary.js';

export const SPACE = Buffer.from('T');

/** Puts `value` under a key of the tests' key space. */
export function put(key: string, value: string): Operation {
  return { key: Buffer.from(`T${key}`), value: Buffer.from(value) };
}

export function drop(key: string): Operation {
  return { key: Buffer.from(`T${key}`) };
}

/** Who keeps rows in a database, and knows what they must be. */
export class Tenant {
  readonly root: string;
  /** What a rebuild writes. */
  readonly truth = new Map<string, string>();
  readonly events: StoreEvent[] = [];
  rebuilds = 0;
  readonly #opened: Database[] = [];

  constructor(root: string) {
    this.root = root;
  }

  /** Where the database is. */
  get path(): string {
    return join(this.root, 'meta');
  }

  /** A file of LevelDB whose name ends so; the newest where there are several. */
  file(ending: string): string {
    const names = fs.readdirSync(join(this.path, 'rows')).filter((name) => name.endsWith(ending));
    return join(this.path, 'rows', names.sort().at(-1) ?? `no ${ending}`);
  }

  open({
    contents = 'test',
    rebuild = this.rebuild,
  }: Partial<Pick<DatabaseOptions, 'contents' | 'rebuild'>> = {}): Database {
    const database = new Database(this.path, {
      damaged: join(this.root, 'damaged'),
      contents,
      rebuild,
      report: (event) => this.events.push(event),
    });
    this.#opened.push(database);
    return database;
  }

  rebuild = async (write: Write): Promise<void> => {
    this.rebuilds++;
    const rows = [...this.truth].map(([key, value]) => put(key, value));
    for (let from = 0; from < rows.length; from += 100) await write(rows.slice(from, from + 100));
  };

  async close(): Promise<void> {
    for (const database of this.#opened) await database.close();
  }

  /** The warnings and errors that were reported. */
  get complaints(): readonly string[] {
    return this.events.filter(({ level }) => level !== 'info').map(({ message }) => message);
  }

  get damaged(): readonly string[] {
    const directory = join(this.root, 'damaged');
    return fs.existsSync(directory) ? fs.readdirSync(directory).sort() : [];
  }
}

/** A tenant in a directory of the test's own. */
export function temporaryTenant(t: ExecutionContext, root = temporaryDirectory(t)): Tenant {
  const tenant = new Tenant(root);
  t.teardown(() => tenant.close());
  return tenant;
}

/** Waits until all rows of a database are there. */
export async function untilWhole(database: Database): Promise<void> {
  const deadline = performance.now() + 20_000;
  while (!(await database.whole())) {
    await sleep(5);
    if (performance.now() > deadline) throw new Error('the database is not rebuilt');
  }
}

/** All rows of the tests' key space that begin with `prefix`. */
export async function rowsOf(database: Database, prefix = ''): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  for await (const rows of database.iterate(Buffer.from(`T${prefix}`))) {
    for (const [key, value] of rows) found.set(key.subarray(1).toString(), value.toString());
  }
  return found;
}

/** The keys that LevelDB itself finds in a directory. */
export async function keysByLevelDb(directory: string): Promise<string[]> {
  const level = new Level(directory);
  try {
    return await level.keys().all();
  } finally {
    await level.close();
  }
}
