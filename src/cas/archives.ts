import { realpathSync, statSync } from 'node:fs';
import { Readable } from 'node:stream';
import { ARCHIVE_FORMATS } from '../../store/archives/archive-formats.js';
import type { ControlClient } from '../control/client.js';
import type { ImportedLine, RegistrationLine } from '../control/protocol.js';
import { Failure, TOOL_EXIT } from '../failure.js';
import { gzipped } from '../gzipped.js';
import type { Command } from './command.js';
import { layerInput } from './layer-input.js';
import type { Column, Output } from './output.js';
import { query } from './query.js';
import { progressLine } from './registration.js';
import { plainPath, replaceFile } from './replace-file.js';
import { writeArchive } from './write-archive.js';
import { writeBytes, writeNew } from './write-bytes.js';

/** The commands of archives of images. */
export const ARCHIVE_COMMANDS: readonly Command[] = [
  {
    name: 'import',
    help: 'take in the images of a docker-archive, an oci-archive or an OCI layout; lists them',
    arguments: [
      {
        name: 'source',
        help: 'an archive (plain, gzip or zstd), a directory, or - for standard input',
      },
    ],
    options: [
      {
        flags: '--name <REF>',
        help: 'what the image is called here, instead of its own names; repeated: all of them',
        repeatable: true,
      },
      { flags: '--all', help: 'refuse an image index of which a platform is missing' },
    ],
    run: async (client, output, { name, all }, [source = '']) => {
      const directory = statSync(source, { throwIfNoEntry: false })?.isDirectory() === true;
      const input = directory ? { query: { layout: realpathSync(source) } } : await layerInput(source, false);
      const given = { ...input.query, name, all: all === undefined ? undefined : 'true' };
      const body = 'body' in input ? input.body : undefined;
      const images = await imported(client, output, source, `/v1/archive${query(given)}`, body);
      await output.list(Readable.from(images), IMAGE_COLUMNS);
    },
  },
  {
    name: 'export',
    help: 'write an archive of images, each blob verified',
    arguments: [{ name: 'name', help: 'a name in index.json, or a digest', repeatable: true }],
    options: [
      { flags: '-o, --output <FILE>', help: 'write there; - is standard output' },
      {
        flags: '--format <FORMAT>',
        help: 'oci-archive: as it is stored, all platforms (default); docker-archive: one platform, for docker load',
        choices: ARCHIVE_FORMATS,
      },
      { flags: '--platform <OS/ARCH[/VARIANT]>', help: 'of an image index only what is for that platform' },
      { flags: '--gzip', help: 'compress it' },
    ],
    run: async (client, output, { output: file, format, platform, gzip }, names) => {
      const url = `/v1/archive${query({ name: names, format, platform })}`;
      const target = typeof file === 'string' && file !== '-' ? file : undefined;
      const bytes = (): AsyncGenerator<Buffer> => shown(client, output, names.join(' '), url);
      const plain = target === undefined || gzip !== undefined ? undefined : plainPath(target);
      if (plain === undefined) {
        await writeBytes(gzip === undefined ? bytes() : gzipped(bytes()), target, 'an archive');
        return;
      }
      await replaceFile(plain, async (partial) => {
        if (await writeArchive(client, output, names, { format, platform }, partial)) return;
        await writeNew(bytes(), partial);
      });
    },
  },
];

/** Milliseconds between two looks at how much has come. */
const PERIOD = 100;

type Image = ImportedLine['images'][number];

const IMAGE_COLUMNS: readonly Column<Image>[] = [
  { title: 'NAME', value: ({ name }) => name },
  { title: 'DIGEST', value: ({ digest }) => digest },
];

async function imported(
  client: ControlClient,
  output: Output,
  name: string,
  url: string,
  body: Readable | undefined,
): Promise<readonly Image[]> {
  const line = progressLine(output, name);
  let images: readonly Image[] | undefined;
  try {
    for await (const told of client.lines(url, { method: 'POST', body }) as AsyncIterable<
      RegistrationLine | ImportedLine
    >) {
      if ('images' in told) images = told.images;
      else line?.show(told.progress);
    }
  } finally {
    line?.close();
  }
  if (images === undefined)
    throw new Failure(TOOL_EXIT.failure, 'the daemon ended in the middle of its answer');
  return images;
}

/** The bytes of an answer; on a terminal a line shows how many have come. */
async function* shown(
  client: ControlClient,
  output: Output,
  name: string,
  url: string,
): AsyncGenerator<Buffer> {
  const line = progressLine(output, name);
  const seen = { bytes: 0, total: null as number | null, entries: null };
  let drawnAt = -Infinity;
  try {
    for await (const chunk of client.bytes(url, (size) => (seen.total = size))) {
      seen.bytes += chunk.length;
      const now = performance.now();
      if (now - drawnAt >= PERIOD || seen.bytes === seen.total) {
        line?.show(seen);
        drawnAt = now;
      }
      yield chunk;
    }
  } finally {
    line?.close();
  }
}
