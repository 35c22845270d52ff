import { readdirSync } from 'node:fs';
import path from 'node:path';
import { PassThrough } from 'node:stream';
import { text } from 'node:stream/consumers';
import type { ExecutionContext } from 'ava';
import type { Command, CommandGroup, GivenOptions } from '../../src/cas/command.js';
import { COMMANDS } from '../../src/cas/commands.js';
import { type Format, Output } from '../../src/cas/output.js';
import { ControlClient } from '../../src/control/client.js';
import type { Control } from '../../src/control/route.js';
import { ROUTES } from '../../src/control/routes.js';
import { openControl } from '../../src/control/server.js';
import { createLog } from '../../src/log.js';
import type { Store } from '../../store/store.js';
import { temporaryStore } from '../helpers/stores.js';

/** A store of the test's own behind its control socket, without a mount. */
export class ServedStore {
  readonly root: string;
  readonly #current: () => Store;
  readonly #reopen: () => Promise<Store>;

  private constructor(root: string, current: () => Store, reopen: () => Promise<Store>) {
    this.root = root;
    this.#current = current;
    this.#reopen = reopen;
  }

  static async open(t: ExecutionContext): Promise<ServedStore> {
    const opened = await temporaryStore(t);
    const log = createLog(2, { level: 'error', format: 'json' });
    const control: Control = {
      get store() {
        return opened.store;
      },
      status: () => {
        throw new Error('there is no mount');
      },
    };
    const server = await openControl(control, ROUTES, log);
    t.teardown(() => server.close());
    return new ServedStore(
      opened.root,
      () => opened.store,
      () => opened.reopen(),
    );
  }

  get store(): Store {
    return this.#current();
  }

  /** Closes the store and opens it again. */
  async reopen(): Promise<void> {
    await this.#reopen();
  }

  /** What a command of `cas` writes, in this process. */
  async cas(
    [name, ...rest]: readonly string[],
    { format = 'text', ...options }: { format?: Format } & GivenOptions = {},
  ): Promise<string> {
    const found = COMMANDS.find((command) => command.name === name);
    if (found === undefined) throw new Error(`${name}: no such command`);
    const given = 'run' in found ? rest : rest.slice(1);
    const stream = new PassThrough();
    const written = text(stream);
    const output = new Output(format, stream);
    await command(found, rest[0]).run(new ControlClient(this.root), output, options, given);
    stream.end();
    return (await written).trimEnd();
  }

  /** The values of the lines that a command writes as JSON. */
  async json(words: readonly string[], options: GivenOptions = {}): Promise<Record<string, unknown>[]> {
    const written = await this.cas(words, { ...options, format: 'json' });
    if (written === '') return [];
    return written.split('\n').map((line) => JSON.parse(line) as Record<string, unknown>);
  }

  /** What is on the disk of payloads and of layers, whole or not. */
  left(): string[] {
    return ['payloads', 'layers/staging', 'layers/sha256'].flatMap((directory) => {
      try {
        return readdirSync(path.join(this.root, directory)).map((name) => `${directory}/${name}`);
      } catch {
        return [];
      }
    });
  }
}

function command(found: Command | CommandGroup, name: string | undefined): Command {
  if ('run' in found) return found;
  const own = found.commands.find((command) => command.name === name);
  if (own === undefined) throw new Error(`${found.name} ${name ?? ''}: no such command`);
  return own;
}
