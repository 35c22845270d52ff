import { Readable } from 'node:stream';
import type { ImageDetail, ImageLine } from '../control/protocol.js';
import type { Command, CommandGroup } from './command.js';
import { type Column, humanSize } from './output.js';
import { query } from './query.js';
import { writeRegistration } from './registration.js';

const NAME = { name: 'name', help: 'the image, as it is named below images/, or its digest' };

/** The command that lists images. */
export const IMAGES_COMMAND: Command = {
  name: 'images',
  help: 'list the images of index.json',
  options: [],
  run: (client, output) => output.list(client.lines('/v1/images') as AsyncIterable<ImageLine>, IMAGE_COLUMNS),
};

/** The commands of one image. */
export const IMAGE_COMMANDS: CommandGroup = {
  name: 'image',
  help: 'images of index.json: show, unpack, rm',
  commands: [
    {
      name: 'show',
      help: 'show an image and its layers',
      arguments: [NAME],
      options: [],
      run: async (client, output, _options, [name]) => {
        const image = (await client.get(`/v1/image${query({ name })}`)) as ImageDetail;
        if (output.format === 'json') return output.record(image);
        const { parts, platforms, ...rest } = image;
        await output.record({ ...rest, platforms: platforms.join(', ') });
        return output.list(Readable.from(parts), PART_COLUMNS);
      },
    },
    {
      name: 'unpack',
      help: 'register the layers of an image, which its first use does otherwise; prints its ChainID',
      arguments: [NAME],
      options: [],
      run: (client, output, _options, [name = '']) =>
        writeRegistration(client, output, name, `/v1/image/layers${query({ name })}`, undefined),
    },
    {
      name: 'rm',
      help: 'take an image out of index.json; its blobs stay, layers that nobody else holds go',
      arguments: [NAME],
      options: [],
      run: async (client, output, _options, [name]) => {
        const removed = (await client.ask('DELETE', `/v1/image${query({ name })}`)) as { name: string };
        await output.name(removed.name, removed);
      },
    },
  ],
};

const IMAGE_COLUMNS: readonly Column<ImageLine>[] = [
  { title: 'IMAGE', value: ({ name }) => name },
  { title: 'DIGEST', value: ({ digest }) => digest },
  { title: 'PLATFORM', value: ({ platform }) => platform },
  {
    title: 'SIZE',
    value: ({ size }) => size,
    shown: ({ size }) => (size === null ? '' : humanSize(size)),
  },
  { title: 'STATE', value: ({ state }) => state },
];

const PART_COLUMNS: readonly Column<ImageDetail['parts'][number]>[] = [
  { title: 'BLOB', value: ({ blob }) => blob },
  { title: 'SIZE', value: ({ size }) => size, shown: ({ size }) => humanSize(size) },
  { title: 'CHAIN', value: ({ chain }) => chain },
  { title: 'REGISTERED', value: ({ registered }) => (registered ? 'yes' : 'no') },
];
