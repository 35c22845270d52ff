import koffi from 'koffi';
import { MEMBERS } from './operations.js';
import type { Pointer } from './structures.js';

const WORD = 8;

/** What libfuse calls: C functions that lead to ours. It calls them on the thread that has it process a request. */
export class Callbacks {
  /** struct fuse_lowlevel_ops. libfuse copies it. */
  readonly operations = Buffer.alloc(MEMBERS.length * WORD);
  readonly #registered: Pointer[] = [];

  /** Makes `callback` callable from C with an address and `parameters`. It must not throw. */
  add(parameters: readonly string[], callback: (first: Pointer, ...rest: unknown[]) => void): Pointer {
    const prototype = koffi.proto('void', ['void *', ...parameters]);
    const pointer = koffi.register(callback, koffi.pointer(prototype));
    this.#registered.push(pointer);
    return pointer;
  }

  /** Sets a member of {@link operations}. */
  set(member: string, parameters: readonly string[], callback: Parameters<Callbacks['add']>[1]): void {
    this.operations.writeBigUInt64LE(this.add(parameters, callback), MEMBERS.indexOf(member) * WORD);
  }

  /** Frees them, once libfuse calls no more. */
  dispose(): void {
    for (const pointer of this.#registered.splice(0)) koffi.unregister(pointer);
  }
}
