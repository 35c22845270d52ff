import { openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { FileSystem } from '../../../../fs/filesystem.js';
import type { Node } from '../../../../fs/node.js';
import { Buffers } from '../../../../fs/transport/kernel/buffers.js';
import { Device } from '../../../../fs/transport/kernel/device.js';
import { Dispatcher } from '../../../../fs/transport/kernel/dispatcher.js';
import { Backings } from '../../../../fs/transport/kernel/passthrough.js';
import { Request } from '../../../../fs/transport/kernel/request.js';
import { temporaryDirectory } from '../../../helpers/temporary.js';
import { memoryStatFs } from '../../memory-tree.js';

/** A message that was sent to the kernel. */
export interface Sent {
  readonly error: number;
  readonly unique: number;
  readonly payload: Buffer;
}

/** A dispatcher whose messages go to a file instead of the kernel. */
export interface Bench {
  readonly filesystem: FileSystem;
  readonly device: Device;
  readonly dispatcher: Dispatcher;
  readonly answered: string[];
  readonly defects: unknown[];
  /** What was sent so far. */
  readonly sent: () => Sent[];
}

/** Makes a {@link Bench} around a tree. */
export function bench(t: ExecutionContext, root: Node): Bench {
  const path = join(temporaryDirectory(t), 'sent');
  const device = new Device(openSync(path, 'a+'));
  t.teardown(() => device.close());
  const filesystem = new FileSystem(root, memoryStatFs);
  const answered: string[] = [];
  const defects: unknown[] = [];
  const dispatcher: Dispatcher = new Dispatcher(
    device,
    {
      filesystem,
      buffers: new Buffers(),
      stateless: false,
      backings: new Backings(-1, false),
      initialized: () => undefined,
      interrupt: (unique) => dispatcher.interrupt(unique),
    },
    {
      answered: (operation, errno) => answered.push(`${operation} ${errno}`),
      defect: (_, error) => defects.push(error),
    },
  );
  return { filesystem, device, dispatcher, answered, defects, sent: () => messages(readFileSync(path)) };
}

/** A request as the kernel lays it out: struct fuse_in_header, then the parts of its body. */
export function request(opcode: number, unique: number, node: number, ...body: Buffer[]): Request {
  const header = Buffer.alloc(40);
  const bytes = Buffer.concat([header, ...body]);
  bytes.writeUInt32LE(bytes.length, 0);
  bytes.writeUInt32LE(opcode, 4);
  bytes.writeBigUInt64LE(BigInt(unique), 8);
  bytes.writeBigUInt64LE(BigInt(node), 16);
  bytes.writeUInt32LE(1000, 24);
  bytes.writeUInt32LE(100, 28);
  bytes.writeUInt32LE(4242, 32);
  return new Request(bytes, bytes.length, 0);
}

/** 64-bit fields. */
export function u64(...values: number[]): Buffer {
  return Buffer.from(BigUint64Array.from(values, BigInt).buffer);
}

/** 32-bit fields. */
export function u32(...values: number[]): Buffer {
  return Buffer.from(Uint32Array.from(values).buffer);
}

/** Names, each with its NUL. */
export function names(...values: string[]): Buffer {
  return Buffer.from(values.map((value) => `${value}\0`).join(''));
}

function messages(bytes: Buffer): Sent[] {
  const found: Sent[] = [];
  for (let at = 0; at < bytes.length; at += bytes.readUInt32LE(at)) {
    found.push({
      error: bytes.readInt32LE(at + 4),
      unique: Number(bytes.readBigUInt64LE(at + 8)),
      payload: bytes.subarray(at + 16, at + bytes.readUInt32LE(at)),
    });
  }
  return found;
}
