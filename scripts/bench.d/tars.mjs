// Tars that are made here, header by header, since no tool makes a million entries without a million files.
import { closeSync, openSync, writeSync } from 'node:fs';

const BLOCK = 512;
const FLUSH = 2 ** 20;

/** A ustar header; `size` bytes of data have to follow, filled up to whole blocks. */
function header(name, { directory = false, size = 0 } = {}) {
  const block = Buffer.alloc(BLOCK);
  const octal = (value, at, length) => block.write(value.toString(8).padStart(length - 1, '0'), at);
  block.write(name, 0);
  octal(directory ? 0o755 : 0o644, 100, 8);
  octal(0, 108, 8);
  octal(0, 116, 8);
  octal(size, 124, 12);
  octal(1_700_000_000, 136, 12);
  block.write('        ', 148);
  block.write(directory ? '5' : '0', 156);
  block.write('ustar\x0000', 257);
  octal(
    block.reduce((sum, byte) => sum + byte, 0),
    148,
    7,
  );
  return block;
}

/** Writes a tar of `entries`: names, those of directories ending with a slash, of files that hold their own name. */
export function writeTar(path, entries) {
  const fd = openSync(path, 'w');
  let blocks = [];
  const flush = () => {
    writeSync(fd, Buffer.concat(blocks));
    blocks = [];
  };
  for (const name of entries) {
    if (name.endsWith('/')) blocks.push(header(name, { directory: true }));
    else {
      const data = Buffer.alloc(BLOCK);
      blocks.push(header(name, { size: data.write(name) }), data);
    }
    if (blocks.length * BLOCK >= FLUSH) flush();
  }
  blocks.push(Buffer.alloc(2 * BLOCK));
  flush();
  closeSync(fd);
}

/** So many names of files, in directories of a thousand, each directory before its files. */
export function* manyNames(count) {
  for (let index = 0; index < count; index++) {
    const directory = `d${String(Math.floor(index / 1000)).padStart(4, '0')}/`;
    if (index % 1000 === 0) yield directory;
    yield `${directory}f${String(index % 1000).padStart(3, '0')}`;
  }
}
