import fs from 'node:fs';
import type { ExecutionContext } from 'ava';
import { Mount } from '../e2e/mount.js';
import { type Check, checkOf } from '../e2e/suite.js';
import type { Variant } from '../e2e/variants.js';
import { isAlive, until } from '../src/process/site.js';
import { ANSWER, RESTART } from './form.js';
import { type Format, LoopDisk } from './loop-disk.js';
import { Shim } from './shim.js';
import { acknowledgedIn, verify } from './verify.js';

export interface FaultyOptions {
  readonly format?: Format;
  /** Of the disk. */
  readonly mebibytes?: number;
  /** Further arguments of cas-mount. */
  readonly args?: readonly string[];
}

/** A store on a disk of its own that is mounted with the shim loaded. All is gone when the test ends. */
export class Faulty {
  readonly t: ExecutionContext;
  readonly disk: LoopDisk;
  readonly mount: Mount;
  readonly shim: Shim;
  readonly #args: readonly string[];
  /** How long each restart took, in milliseconds. */
  readonly #restarts: number[] = [];

  private constructor(
    t: ExecutionContext,
    disk: LoopDisk,
    mount: Mount,
    shim: Shim,
    args: readonly string[],
  ) {
    this.t = t;
    this.disk = disk;
    this.mount = mount;
    this.shim = shim;
    this.#args = args;
  }

  static async of(
    t: ExecutionContext,
    variant: Variant,
    { format = 'ext4', mebibytes, args = [] }: FaultyOptions = {},
  ): Promise<Faulty> {
    const disk = await LoopDisk.of(t, format, mebibytes);
    const env: NodeJS.ProcessEnv = {};
    let shim: Shim | undefined;
    const prepare = async ({ scratch, site }: Mount): Promise<void> => {
      fs.symlinkSync(disk.path, site.store);
      shim = await Shim.in(scratch, disk.path);
      Object.assign(env, shim.env);
    };
    const mount = await Mount.of(variant, { args, env, prepare });
    t.teardown(() => mount.close());
    if (shim === undefined) throw new Error('no shim');
    const { acked, ingests } = acknowledgedIn(mount);
    fs.writeFileSync(acked, '');
    fs.writeFileSync(ingests, '');
    return new Faulty(t, disk, mount, shim, args);
  }

  /** Mounts again, as anyone would. */
  async remount(): Promise<void> {
    await this.mount.mount(this.#args, this.shim.env);
  }

  /** Mounts again and looks at everything (I5). */
  async restart(): Promise<void> {
    const began = performance.now();
    await this.remount();
    await this.sh('ls -lR ingest blobs > /dev/null');
    this.#restarts.push(Math.round(performance.now() - began));
  }

  /** Unmounts unless a kill was faster, and waits until the daemon is gone. */
  async stop(pid: number): Promise<void> {
    if (isAlive(pid)) await this.mount.unmount().catch(() => undefined);
    await until('the daemon is gone', () => !isAlive(pid));
  }

  /** What a script of the case needs: a file of new bytes, where its blob is, a ref, and where acknowledgements go. */
  async case(size: number): Promise<NodeJS.ProcessEnv> {
    const { src, hex, blob } = await this.#check().source(size);
    return { src, hex, blob, size: `${size}`, ref: `ref-${hex.slice(0, 8)}`, ...acknowledgedIn(this.mount) };
  }

  /** Runs a script in the mount; whatever fails in it fails the test. Its output. */
  sh(script: string, variables: NodeJS.ProcessEnv = {}): Promise<string> {
    return this.#check().sh(script, variables);
  }

  verify(when: string, full = false): Promise<void> {
    return verify(this.t, this.mount, when, full);
  }

  /** Asserts that restarts, the median of them, took no longer than {@link RESTART} (I5), and what {@link Faulty.quiet} asserts. */
  sound(): void {
    const restarts = this.#restarts.toSorted((a, b) => a - b);
    const [median = 0, slowest = 0] = [restarts[restarts.length >> 1], restarts.at(-1)];
    this.t.log(`${restarts.length} restarts, median ${median} ms, slowest ${slowest} ms`);
    this.t.true(median < RESTART);
    this.quiet();
  }

  /** Asserts that the daemons had no defect, and no request took longer than {@link ANSWER} (I8). */
  quiet(): void {
    const log = fs.readFileSync(`${this.mount.site.store}/cas-mount.log`, 'latin1').split('\n');
    const alarms = log.filter((line) => {
      const slow = /"milliseconds":(\d+).*"msg":"request was slow"/.exec(line);
      return slow === null ? line.includes('"msg":"defect') : Number(slow[1]) > ANSWER;
    });
    this.t.deepEqual(alarms, []);
  }

  #check(): Check {
    return checkOf(this.t, this.mount);
  }
}
