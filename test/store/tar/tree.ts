import fs from 'node:fs';
import { join } from 'node:path';
import { output } from './tars.js';

/** Fills a directory with what a layer can have, names and times at their limits included. */
export function makeTree(root: string): void {
  const put = (name: string | Buffer, text = 'text'): void => {
    fs.writeFileSync(Buffer.concat([Buffer.from(`${root}/`), Buffer.from(name)]), text);
  };
  put('a', 'hello');
  put('block', 'x'.repeat(512));
  put('big', 'line\n'.repeat(40_000));
  put('empty', '');
  put('caf\u00e9');
  put(Buffer.from('caf\xe9', 'latin1'));
  put('new\nline');
  const part = 'n'.repeat(120);
  fs.mkdirSync(join(root, part, part), { recursive: true });
  for (const length of [54, 55, 98, 99, 100, 101, 180]) put(`${part}/${'f'.repeat(length)}`);
  put(`${part}/${part}/${'g'.repeat(200)}`);
  fs.symlinkSync('a', join(root, 'symlink'));
  fs.symlinkSync('t'.repeat(150), join(root, 'long symlink'));
  fs.linkSync(join(root, 'a'), join(root, 'hard link'));
  output('mkfifo', ['fifo'], root);
  fs.chmodSync(join(root, 'block'), 0o6755);
  const times: [string, string][] = [
    ['a', '1960-01-02 03:04:05.25 UTC'],
    ['empty', '2040-01-02 03:04:05.123456789 UTC'],
    ['fifo', '2300-01-01 UTC'],
  ];
  output('find', ['.', '-exec', 'touch', '-h', '-d', '2021-02-03 04:05:06 UTC', '{}', '+'], root);
  for (const [name, time] of times) output('touch', ['-d', time, name], root);
}
