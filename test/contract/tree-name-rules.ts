import { constants } from 'node:fs';
import { ALGORITHMS, hexOf } from '../../store/digest.js';
import { errnoFrom } from '../helpers/errno.js';
import type { Path, PathOperations } from './path-operations.js';
import type { Case, Rules } from './suite.js';
import { file } from './tree-ingest-rules.js';

const { O_CREAT, O_RDONLY, O_WRONLY } = constants;
const SLASH = 0x2f;

function make({ subject }: Case<PathOperations>, path: Path): Promise<string> {
  return errnoFrom(async () => (await subject.open(path, O_WRONLY | O_CREAT)).close());
}

function inIngest(...parts: (string | number[])[]): Buffer {
  return Buffer.concat([Buffer.from('ingest/'), ...parts.map((part) => Buffer.from(part as string))]);
}

/** Which names there can be. */
export const treeNameRules: Rules<PathOperations> = {
  'a name with any one byte is allowed where it is UTF-8 without control characters': async (check) => {
    const { t, subject } = check;
    const prefix = check.ref();
    for (let byte = 1; byte < 256; byte++) {
      if (byte === SLASH) continue;
      const expected = byte < 0x20 || byte === 0x7f ? 'EINVAL' : byte < 0x80 ? 'OK' : 'EILSEQ';
      const path = inIngest(prefix, [byte]);
      t.is(await make(check, path), expected, `byte ${byte}`);
      t.is(await errnoFrom(() => subject.stat(path)), expected === 'OK' ? 'OK' : 'ENOENT', `byte ${byte}`);
      if (expected === 'OK') await subject.unlink(path);
    }
  },

  'names that decode to forbidden characters, or to none, are refused': async (check) => {
    const { t } = check;
    for (const [bytes, expected] of [
      [[0xc0, 0xaf], 'EILSEQ'],
      [[0xe2, 0x82], 'EILSEQ'],
      [[0xed, 0xa0, 0x80], 'EILSEQ'],
      [[0xf4, 0x90, 0x80, 0x80], 'EILSEQ'],
      [[0xef, 0xbb, 0xbf], 'OK'],
      [[0xc3, 0xa9], 'OK'],
      [[0x65, 0xcc, 0x81], 'OK'],
      [[0xf0, 0x9f, 0x93, 0xa6], 'OK'],
    ] as const)
      t.is(await make(check, inIngest(check.ref(), [...bytes])), expected, bytes.join(' '));
  },

  'names that look alike are kept apart': async (check) => {
    const { t, subject } = check;
    const directory = `ingest/${check.ref()}`;
    await subject.mkdir(directory);
    const names = [
      'caf\u00e9',
      'cafe\u0301',
      'CAF\u00c9',
      '\ufeffcaf\u00e9',
      ' ',
      '  ',
      '...',
      '-',
      '\u202e',
    ];
    for (const name of names) await file(check, `${directory}/${name}`, Buffer.from(name));
    t.deepEqual((await subject.readdir(directory)).sort(), [...names].sort());
    await subject.restart();
    t.deepEqual((await subject.readdir(directory)).sort(), [...names].sort());
  },

  'a name is at most 255 bytes long, however many characters that is': async (check) => {
    const { t, subject } = check;
    const prefix = check.ref();
    const long = (count: number, character = 'x'): Buffer =>
      inIngest(
        prefix,
        character.repeat(count),
        'y'.repeat(255 - prefix.length - count * Buffer.byteLength(character)),
      );
    t.is(await make(check, long(10)), 'OK');
    t.is(await make(check, Buffer.concat([long(10), Buffer.from('z')])), 'ENAMETOOLONG');
    t.is(await make(check, long(100, 'é')), 'OK');
    t.is(await make(check, Buffer.concat([long(100, 'é'), Buffer.from('z')])), 'ENAMETOOLONG');
    t.is(await errnoFrom(() => subject.stat(Buffer.concat([long(10), Buffer.from('z')]))), 'ENAMETOOLONG');
    t.is(await errnoFrom(() => subject.mkdir(Buffer.concat([long(9), Buffer.from('z')]))), 'ENAMETOOLONG');
    t.is(
      await errnoFrom(() => subject.rename(long(10), Buffer.concat([long(10), Buffer.from('z')]))),
      'ENAMETOOLONG',
    );
    await subject.restart();
    t.is(await errnoFrom(() => subject.stat(long(100, 'é'))), 'OK');
  },

  'a path below ingest is at most 4095 bytes long': async (check) => {
    const { t, subject } = check;
    let path = `ingest/${check.ref()}`;
    let result = 'OK';
    for (let depth = 0; depth < 17 && result === 'OK'; depth++) {
      path = `${path}/${'d'.repeat(250)}`;
      const at = path;
      result = await errnoFrom(async () => {
        if (depth === 0) await subject.mkdir(at.slice(0, at.lastIndexOf('/')));
        await subject.mkdir(at);
      });
    }
    t.is(result, 'ENAMETOOLONG');
  },

  'only a digest in lower case can become a blob': async (check) => {
    const { t, subject } = check;
    const content = check.bytes(100);
    const hex = hexOf(await check.digest(content));
    const path = `ingest/${check.ref()}`;
    await file(check, path, content);
    for (const name of [
      hex.slice(1),
      hex.toUpperCase(),
      `${hex.slice(1)}g`,
      'latest',
      `sha256:${hex}`,
      'x'.repeat(64),
    ]) {
      t.is(await errnoFrom(() => subject.rename(path, `blobs/sha256/${name}`)), 'EINVAL', name);
      t.is(await make(check, `blobs/sha256/${name}`), 'EINVAL', name);
      t.is(await errnoFrom(() => subject.stat(`blobs/sha256/${name}`)), 'ENOENT', name);
    }
    t.is(await errnoFrom(() => subject.rename(path, `blobs/sha512/${hex}`)), 'EINVAL');
    t.is(await errnoFrom(() => subject.link(path, 'blobs/sha256/latest')), 'EINVAL');
    await subject.rename(path, `blobs/sha256/${hex}`);
  },

  'temporary names beside the blobs are ingests, and can be committed from there': async (check) => {
    const { t, subject } = check;
    for (const [index, algorithm] of ALGORITHMS.entries()) {
      const content = check.bytes(1000 + index);
      const hex = hexOf(await check.digest(content, algorithm));
      for (const name of [`.${hex}.AbC123`, `${hex}.tmp`, `${hex}123456`, 'upload.part', '4294967295']) {
        const path = `blobs/${algorithm}/${name}`;
        await file(check, path, content);
        t.true((await subject.readdir(`blobs/${algorithm}`)).includes(name), name);
        await subject.rename(path, `blobs/${algorithm}/${hex}`);
        t.is(await errnoFrom(() => subject.stat(path)), 'ENOENT', name);
      }
      t.is((await subject.stat(`blobs/${algorithm}/${hex}`)).size, content.length);
    }
  },

  'no other algorithm, and no directory, can be made among the blobs': async (check) => {
    const { t, subject } = check;
    for (const algorithm of ALGORITHMS)
      t.is(await errnoFrom(() => subject.mkdir(`blobs/${algorithm}`)), 'EEXIST');
    for (const name of ['md5', 'SHA256', 'sha384', 'x'])
      t.is(await errnoFrom(() => subject.mkdir(`blobs/${name}`)), 'EINVAL', name);
    t.is(await make(check, 'blobs/md5'), 'EINVAL');
    t.is(await errnoFrom(() => subject.mkdir(`blobs/sha256/${'a'.repeat(64)}`)), 'EINVAL');
    t.not(await errnoFrom(() => subject.rmdir('blobs/sha256')), 'OK');
    t.not(await errnoFrom(() => subject.rename('blobs/sha256', 'blobs/sha1')), 'OK');
    const directory = `ingest/${check.ref()}`;
    await subject.mkdir(directory);
    t.not(await errnoFrom(() => subject.rename(directory, `blobs/sha256/${'a'.repeat(64)}`)), 'OK');
    t.deepEqual((await subject.readdir('blobs')).sort(), [...ALGORITHMS].sort());
  },

  'the fixed directories stay where they are, and files in .cas are only read': async (check) => {
    const { t, subject } = check;
    for (const name of ['ingest', 'blobs', '.cas']) {
      t.true((await subject.readdir('')).includes(name), name);
      t.not(await errnoFrom(() => subject.rmdir(name)), 'OK', name);
      t.not(await errnoFrom(() => subject.rename(name, `${name}-moved`)), 'OK', name);
    }
    t.true((await subject.readdir('.cas')).includes('version'));
    t.is(await errnoFrom(() => subject.open('.cas/version', O_WRONLY)), 'EROFS');
    t.is(await errnoFrom(() => subject.unlink('.cas/version')), 'EROFS');
    t.is(await make(check, '.cas/new'), 'EROFS');
    const stats = await subject.open('.cas/stats', O_RDONLY);
    t.notThrows(() => JSON.parse('{}') as unknown);
    t.is(typeof JSON.parse((await stats.read(65_536, 0)).toString()), 'object');
    await stats.close();
  },
};
