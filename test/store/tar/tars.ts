import { execFileSync } from 'node:child_process';
import type { ByteText, TarEntry } from '../../../store/tar/entry.js';
import { TarFramer } from '../../../store/tar/framer.js';
import type { TarLimits } from '../../../store/tar/limits.js';

/** An entry as a framer gave it. */
export interface TakenEntry {
  readonly entry: TarEntry;
  readonly declared: number;
  /** The raw bytes since the data before. */
  readonly raw: Buffer;
  readonly data: Buffer;
}

export interface Taken {
  readonly entries: readonly TakenEntry[];
  readonly globals: readonly ByteText[];
  /** The raw bytes after the last entry. */
  readonly rest: Buffer;
  /** All bytes, in the order in which they were given. */
  readonly bytes: Buffer;
}

/** What a framer says of a tar that is pushed in chunks of these sizes, over and over. */
export function take(
  tar: Buffer,
  sizes: readonly number[] = [1 << 16],
  limits: Partial<TarLimits> = {},
): Taken {
  const entries: TakenEntry[] = [];
  const globals: ByteText[] = [];
  const all: Buffer[] = [];
  let raw: Buffer[] = [];
  let data: Buffer[] = [];
  let last: { entry: TarEntry; declared: number; raw: Buffer } | undefined;
  const end = (): void => {
    if (last) entries.push({ ...last, data: Buffer.concat(data) });
    last = undefined;
    data = [];
  };
  const framer = new TarFramer(
    {
      raw: (bytes) => {
        all.push(bytes);
        raw.push(bytes);
      },
      entry: (entry, declared) => {
        last = { entry, declared, raw: Buffer.concat(raw) };
        raw = [];
        if (entry.stored === 0) end();
      },
      data: (bytes) => {
        all.push(bytes);
        data.push(bytes);
      },
      dataEnd: end,
      global: (name) => globals.push(name),
    },
    limits,
  );
  for (let at = 0, i = 0; at < tar.length; i++) {
    const size = sizes[i % sizes.length] ?? 1;
    framer.push(tar.subarray(at, at + size));
    at += size;
  }
  framer.end();
  return { entries, globals, rest: Buffer.concat(raw), bytes: Buffer.concat(all) };
}

/** The output of a program. */
export function output(program: string, args: readonly string[], cwd: string, input?: Buffer): Buffer {
  const settings = { cwd, maxBuffer: 1 << 28, env: { ...process.env, LC_ALL: 'C' } };
  return execFileSync(program, args, input ? { ...settings, input } : settings);
}

/** A tar that GNU tar makes of what is in a directory: the same bytes at any time. */
export function gnuTar(cwd: string, args: readonly string[]): Buffer {
  return output('tar', ['--sort=name', '--numeric-owner', '-c', '-f', '-', ...args], cwd);
}

/** Fields of a header in text; numbers of fields are octal. */
export interface Fields {
  readonly name?: string;
  readonly type?: string;
  readonly size?: number | string;
  readonly mode?: string;
  readonly uid?: string;
  readonly gid?: string;
  readonly mtime?: string;
  readonly link?: string;
  readonly magic?: string;
  readonly major?: string;
  readonly minor?: string;
  readonly prefix?: string;
  readonly real?: string;
  /** The form of the checksum. */
  readonly signed?: boolean;
}

/** A header block, ustar unless the fields say otherwise. */
export function header(fields: Fields): Buffer {
  const block = Buffer.alloc(512);
  const put = (text: string, at: number): number => block.write(text, at, 'latin1');
  const { size = 0 } = fields;
  put(fields.name ?? 'a', 0);
  put(fields.mode ?? '0000644', 100);
  put(fields.uid ?? '0000000', 108);
  put(fields.gid ?? '0000000', 116);
  put(typeof size === 'string' ? size : size.toString(8).padStart(11, '0'), 124);
  put(fields.mtime ?? '00000000000', 136);
  put(fields.type ?? '0', 156);
  put(fields.link ?? '', 157);
  put(fields.magic ?? 'ustar\x0000', 257);
  put(fields.major ?? '0000000', 329);
  put(fields.minor ?? '0000000', 337);
  put(fields.prefix ?? '', 345);
  put(fields.real ?? '', 483);
  put(' '.repeat(8), 148);
  const signed = fields.signed ?? false;
  const sum = block.reduce((total, byte) => total + (signed && byte > 127 ? byte - 256 : byte), 0);
  put(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return block;
}

/** Bytes of a file with their padding. */
export function body(text: string): Buffer {
  const bytes = Buffer.from(text, 'latin1');
  return Buffer.concat([bytes, Buffer.alloc((512 - (bytes.length % 512)) % 512)]);
}

/** An entry with its bytes. */
export function file(fields: Fields, text = ''): Buffer {
  return Buffer.concat([header({ size: text.length, ...fields }), body(text)]);
}

/** A pax header, x or g, of records. */
export function pax(records: Readonly<Record<string, string>>, type = 'x'): Buffer {
  const text = Object.entries(records)
    .map(([key, value]) => {
      const rest = ` ${key}=${value}\n`;
      let length = rest.length;
      while (String(length).length + rest.length !== length) length = String(length).length + rest.length;
      return `${length}${rest}`;
    })
    .join('');
  return file({ name: 'pax', type }, text);
}

/** A tar of these parts, with its end. */
export function tar(...parts: readonly Buffer[]): Buffer {
  return Buffer.concat([...parts, Buffer.alloc(1024)]);
}
