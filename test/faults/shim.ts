import { randomUUID } from 'node:crypto';
import fs from 'node:fs';
import { constants } from 'node:os';
import { compile } from './compile.js';

/** The kinds of calls that are counted, in the order of `enum call` in shim.c. */
export const CALLS = [
  'create',
  'open',
  'read',
  'write',
  'sync',
  'rename',
  'link',
  'unlink',
  'rmdir',
  'mkdir',
  'truncate',
  'chmod',
  'chown',
  'times',
  'xattr',
  'sync names',
] as const;
export type Call = (typeof CALLS)[number];

/** Those that change what is on the disk, or wait until it is there. */
export const CHANGES: readonly Call[] = CALLS.filter((call) => call !== 'open' && call !== 'read');

/** What is done at a call, in the order of `enum action` in shim.c. */
const ACTIONS = ['nothing', 'kill before', 'kill after', 'fail', 'short', 'cut'] as const;
export type Action = (typeof ACTIONS)[number];

/** What happens at which call. */
export interface Fault {
  readonly action: Action;
  /** The number of the call, from 1. */
  readonly at: number;
  /** The kinds that are counted; default {@link CHANGES}. */
  readonly calls?: readonly Call[];
  readonly error?: keyof typeof constants.errno;
  /** Calls on the metadata database count too. It opens and tidies itself up in the background. */
  readonly index?: boolean;
}

/** One call that was counted. `path` is below the store's root; of a rename or link it is the new name. */
export interface Traced {
  readonly number: number;
  readonly call: Call;
  readonly name: string;
  readonly path: string;
}

/** Which number of the control file is what: `struct control` in shim.c. */
const [SET, AT, ACTION, ERROR, COUNT, DONE, INDEX] = [0, 1, 2, 3, 4, 5, 6];
const NUMBERS = 7;

/** The shim of shim.c for one store, and what it is to do. */
export class Shim {
  /** The variables with which cas-mount is started. */
  readonly env: NodeJS.ProcessEnv;
  readonly #control: number;
  readonly #trace: string;
  readonly #boot: string;

  private constructor(directory: string, root: string) {
    const control = `${directory}/shim-control`;
    this.#trace = `${directory}/shim-trace`;
    this.#boot = `${directory}/shim-boot`;
    this.reboot();
    fs.writeFileSync(control, Buffer.alloc(8 * NUMBERS));
    this.#control = fs.openSync(control, 'r+');
    this.env = {
      LD_PRELOAD: `${directory}/shim.so`,
      CAS_SHIM_ROOT: root,
      CAS_SHIM_CONTROL: control,
      CAS_SHIM_TRACE: this.#trace,
      CAS_SHIM_BOOT: this.#boot,
    };
  }

  /** Compiles the shim into `directory`, for the store whose canonical path is `root`. */
  static async in(directory: string, root: string): Promise<Shim> {
    await compile('shim.c', `${directory}/shim.so`, ['-shared', '-fPIC']);
    return new Shim(directory, root);
  }

  /** Lets the next start pass for one after a reboot. */
  reboot(): void {
    fs.writeFileSync(this.#boot, `${randomUUID()}\n`);
  }

  /** Begins to count, with a fault to come. */
  arm({ action, at, calls = CHANGES, error, index = false }: Fault): void {
    this.disarm();
    fs.writeFileSync(this.#trace, '');
    this.#set(COUNT, 0);
    this.#set(DONE, 0);
    this.#set(AT, at);
    this.#set(INDEX, index ? 1 : 0);
    this.#set(ACTION, ACTIONS.indexOf(action));
    this.#set(ERROR, error === undefined ? 0 : constants.errno[error]);
    this.#set(
      SET,
      calls.reduce((set, call) => set | (1 << CALLS.indexOf(call)), 0),
    );
  }

  /** Counts without doing anything. */
  watch(calls: readonly Call[] = CHANGES): void {
    this.arm({ action: 'nothing', at: 0, calls });
  }

  /** Ends the counting. */
  disarm(): void {
    this.#set(SET, 0);
  }

  /** How many calls there were since it was armed. */
  get count(): number {
    return this.#get(COUNT);
  }

  /** Whether the fault has come. */
  get acted(): boolean {
    return this.#get(DONE) > 0;
  }

  /** The calls since it was armed. */
  get trace(): Traced[] {
    const text = fs.readFileSync(this.#trace, 'utf8').trimEnd();
    const lines = text === '' ? [] : text.split('\n');
    return lines.flatMap((line) => {
      const [number, kind, name = '', path = ''] = line.split(' ');
      const call = CALLS[Number(kind)];
      return call === undefined ? [] : [{ number: Number(number), call, name, path }];
    });
  }

  /** The call at which the fault came, as `<call> <path>`. */
  get hit(): string {
    const at = this.#get(AT);
    const call = this.trace.find(({ number }) => number === at);
    return call === undefined ? 'none' : `${call.name} ${call.path}`;
  }

  close(): void {
    fs.closeSync(this.#control);
  }

  #get(index: number): number {
    const bytes = Buffer.alloc(8);
    fs.readSync(this.#control, bytes, 0, 8, 8 * index);
    return Number(bytes.readBigInt64LE());
  }

  #set(index: number, value: number): void {
    const bytes = Buffer.alloc(8);
    bytes.writeBigInt64LE(BigInt(value));
    fs.writeSync(this.#control, bytes, 0, 8, 8 * index);
  }
}
