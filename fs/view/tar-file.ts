import { constants } from 'node:fs';
import type { Layer } from '../../store/layers/layer.js';
import type { Layers } from '../../store/layers/layers.js';
import { passingHolder } from '../../store/layers/holders.js';
import { Lane } from '../../store/lane.js';
import { SeekableReader } from '../../store/split/seekable-reader.js';
import { FsError } from '../errors.js';
import { type Attr, type FileHandle, type Node, type OpenFlags, wantsWrite } from '../node.js';
import { tarNumber } from './view-number.js';
import type { Owner } from './view.js';

const FOREVER = 2 ** 31;
const DIFF = 'user.cas.digest';

/** A layer's own tar, put together again as it is read: seekable, and of its real size. */
export class TarFile implements Node {
  readonly type = constants.S_IFREG;
  readonly validity = { entry: 3600, attr: FOREVER };
  readonly frozen = true;
  readonly number: number;
  readonly #layer: Layer;
  readonly #layers: Layers;
  readonly #owner: Owner;

  constructor(layer: Layer, layers: Layers, owner: Owner) {
    this.number = tarNumber(layer.number);
    this.#layer = layer;
    this.#layers = layers;
    this.#owner = owner;
  }

  attr(): Attr {
    const { size, createdAt } = this.#layer;
    const time = BigInt(createdAt.getTime()) * 1_000_000n;
    return {
      ino: this.number,
      mode: constants.S_IFREG | 0o444,
      nlink: 1,
      ...this.#owner,
      rdev: 0,
      size,
      blksize: 1 << 20,
      blocks: Math.ceil(size / 512),
      atime: time,
      mtime: time,
      ctime: time,
    };
  }

  async open(flags: OpenFlags): Promise<FileHandle> {
    if (wantsWrite(flags) || (flags & constants.O_TRUNC) !== 0) throw new FsError('EROFS');
    const holder = passingHolder('open tar');
    const { chain } = this.#layers.hold(this.#layer.chain, holder);
    try {
      const reader = new SeekableReader(await this.#layers.tar(this.#layer));
      // The kernel may ask for several ranges at once.
      const turns = new Lane();
      const read = async (into: Uint8Array, offset: number): Promise<number> => {
        reader.seek(offset);
        return (await reader.read(into)).bytesRead;
      };
      return {
        mode: { keepCache: true, noFlush: true },
        read: (into, offset) => turns.run(() => read(into, offset)),
        sync: () => undefined,
        release: async () => {
          await turns.quiet();
          reader.close();
          await this.#layers.release(chain, holder);
        },
      };
    } catch (error) {
      await this.#layers.release(chain, holder);
      throw error;
    }
  }

  /** Fills `into` from `offset`, without a handle. */
  async read(into: Uint8Array, offset: number): Promise<number> {
    const reader = await this.#layers.tar(this.#layer);
    return reader.read(into, offset);
  }

  listxattr(): readonly string[] {
    return [DIFF];
  }

  getxattr(name: string): Uint8Array | undefined {
    return name === DIFF ? Buffer.from(this.#layer.diff) : undefined;
  }
}
