import { FsError } from './errors.js';
import type { Name } from './node.js';

/** The kernel lets names of up to 1024 bytes through; NAME_MAX is ours to enforce. */
export function checkLength(name: Name): void {
  if (name.length > 255) throw new FsError('ENAMETOOLONG');
}
