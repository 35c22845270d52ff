import fs from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gnuTar } from '../tar/tars.js';

/**
 * Tars of one tree, and what vbatts/tar-split 0.11.2, the package of Debian 12, makes of them. Each was written to a
 * file `x.tar`; vectors/NAME is `tar-split disasm --no-stdout --output x.json.gz x.tar; gunzip < x.json.gz`.
 */
export const VECTORS = {
  'gnu.tar-split': ['--format=gnu'],
  'ustar.tar-split': ['--format=ustar', '--exclude=long*'],
  'v7.tar-split': ['--format=v7', '--exclude=long*'],
  // With a global header.
  'posix.tar-split': [
    '--format=posix',
    '--pax-option=exthdr.name=%d/PaxHeaders/%f,globexthdr.name=global,globexthdr.mtime=0,delete=atime,delete=ctime,comment=x',
  ],
} as const;

const FIXED = ['--blocking-factor=1', '--mtime=@1600000000.5', '--owner=0', '--group=0', '--mode=a=rwX'];

/** The tar of a vector, made in `directory`. */
export function vectorTar(directory: string, options: readonly string[]): Buffer {
  const root = fs.mkdtempSync(join(directory, 'root-'));
  const put = (name: string | Buffer, text: string): void => {
    fs.writeFileSync(Buffer.concat([Buffer.from(`${root}/`), Buffer.from(name)]), text);
  };
  put('a', 'hello');
  put('block', 'x'.repeat(512));
  put('empty', '');
  put('html <b>&amp; \u2028\u2029', 'text');
  put('control \b\f\n\r\t\x01\x7f"\\', 'text');
  put('caf\u00e9', 'utf-8');
  put(Buffer.from('caf\xe9', 'latin1'), 'latin1');
  fs.mkdirSync(join(root, 'directory'));
  put('directory/z', 'z'.repeat(1000));
  put(`long${'g'.repeat(120)}`, 'text');
  fs.symlinkSync('t'.repeat(120), join(root, 'long symlink'));
  fs.symlinkSync('a', join(root, 'symlink'));
  fs.linkSync(join(root, 'a'), join(root, 'hard link'));
  return gnuTar(root, [...FIXED, ...options, '.']);
}

/** What tar-split makes of it. */
export function vectorJson(name: string): string {
  return fs.readFileSync(
    fileURLToPath(new URL(`../../../../test/store/split/vectors/${name}`, import.meta.url)),
    'utf8',
  );
}
