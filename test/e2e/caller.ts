/**
 * Makes one system call that no tool makes, and prints `OK` or the errno: `caller CALL ARGUMENT…`.
 * `map-private` prints the bytes of the mapped file instead.
 */
import { constants, fstatSync, openSync, renameSync, writeSync } from 'node:fs';
import { bind } from '../../store/libc.js';
import { errnoFrom } from '../helpers/errno.js';

const AT_FDCWD = -100;
const PROT_READ = 1;
const PROT_WRITE = 2;
const MAP_SHARED = 1;
const MAP_PRIVATE = 2;

const renameat2 = bind('int renameat2(int, const char *, int, const char *, unsigned int)');
const mmap = bind('int64_t mmap(void *, size_t, int, int, int, int64_t)');
const memcpy = bind('int64_t memcpy(void *, int64_t, size_t)');

/** The address of a mapping of the whole file. */
function map(
  path: string,
  open: number,
  protection: number,
  flags: number,
): { address: number; size: number } {
  const fd = openSync(path, open);
  const { size } = fstatSync(fd);
  return { address: mmap(null, size, protection, flags, fd, 0), size };
}

const CALLS: Readonly<Record<string, (from: string, to: string) => void>> = {
  rename: (from, to) => renameSync(from, to),
  'rename-noreplace': (from, to) => renameat2(AT_FDCWD, from, AT_FDCWD, to, 1),
  'rename-exchange': (from, to) => renameat2(AT_FDCWD, from, AT_FDCWD, to, 2),
  'map-shared': (path) => map(path, constants.O_RDWR, PROT_READ | PROT_WRITE, MAP_SHARED),
  'map-private': (path) => {
    const { address, size } = map(path, constants.O_RDONLY, PROT_READ, MAP_PRIVATE);
    const bytes = Buffer.alloc(size);
    memcpy(bytes, address, size);
    for (let done = 0; done < size;) done += writeSync(1, bytes, done);
  },
};

const [name = '', from = '', to = ''] = process.argv.slice(2);
const outcome = await errnoFrom(() => {
  const call = CALLS[name];
  if (call === undefined) throw new Error(`unknown call: ${name}`);
  call(from, to);
});
if (name !== 'map-private') process.stdout.write(`${outcome}\n`);
else if (outcome !== 'OK') throw new Error(outcome);
