import { spawnSync } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { endianness, platform } from 'node:os';
import type { Transport } from '../transport.js';

/**
 * Speaks the FUSE protocol on /dev/fuse itself. When the connection ends, requests under way are interrupted and
 * waited for, and the filesystem is closed, before `ended` settles.
 */
export const kernelTransport: Transport = {
  name: 'kernel',

  unavailable() {
    if (platform() !== 'linux') return 'it runs on Linux only';
    if (endianness() !== 'LE') return 'it runs on little-endian processors only';
    try {
      accessSync('/dev/fuse', constants.R_OK | constants.W_OK);
    } catch (error) {
      const absent = (error as NodeJS.ErrnoException).code === 'ENOENT';
      return absent ? '/dev/fuse is missing (modprobe fuse)' : 'this user may not open /dev/fuse';
    }
    if (process.geteuid?.() === 0 || helperPresent()) return undefined;
    return 'fusermount3 is missing (package fuse3)';
  },

  /** Loads what binds Linux's own functions only now: other systems must be able to import this file. */
  async mount(filesystem, request, observer) {
    const { attach } = await import('./mount.js');
    const { serve } = await import('./session.js');
    return serve(filesystem, await attach(request), observer);
  },

  async within(filesystem, request, observer) {
    if (process.geteuid?.() !== 0) return undefined;
    const { innerMount } = await import('./inner-mount.js');
    return innerMount(filesystem, request, observer);
  },
};

function helperPresent(): boolean {
  return spawnSync('fusermount3', ['--version'], { stdio: 'ignore' }).error === undefined;
}
