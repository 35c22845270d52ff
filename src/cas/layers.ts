import { Readable } from 'node:stream';
import type { LayerDetail, LayerLine, Removed } from '../control/protocol.js';
import type { CommandGroup, GivenOptions } from './command.js';
import { layerInput, plainFile } from './layer-input.js';
import { type Column, humanSize, type Output } from './output.js';
import { query } from './query.js';
import { writeRegistration } from './registration.js';
import { writeBytes } from './write-bytes.js';

const CHAIN = {
  name: 'chain',
  help: 'its ChainID, with or without sha256:, or at least 6 of its first digits',
};
const TO_FILE = { flags: '-o, --output <FILE>', help: 'write there, not to standard output' };

/** The commands of layers. */
export const LAYER_COMMANDS: CommandGroup = {
  name: 'layer',
  help: 'layers of images: add, ls, show, export, tarsplit, rm',
  commands: [
    {
      name: 'add',
      help: 'make a tar (plain, gzip or zstd) a layer; prints its ChainID',
      arguments: [{ name: 'source', help: 'a file, - for standard input, or the digest of a blob' }],
      options: [
        { flags: '--on <CHAIN>', help: 'the layer below' },
        { flags: '--stack <NAME>', help: 'push it on this stack', conflicts: ['on'] },
        {
          flags: '--tar-split <FILE>',
          help: "Docker's tar-split.json of the same tar, plain or gzip: refuse where they differ",
        },
      ],
      run: async (client, output, { on, stack, tarSplit }, [source = '']) => {
        const given = typeof tarSplit === 'string' ? plainFile(tarSplit) : undefined;
        const input = await layerInput(source, false);
        const url = `/v1/layers${query({ ...input.query, on, stack, tarSplit: given })}`;
        await writeRegistration(client, output, source, url, input.body);
      },
    },
    {
      name: 'ls',
      help: 'list the layers',
      options: [],
      run: (client, output) =>
        output.list(client.lines('/v1/layers') as AsyncIterable<LayerLine>, LAYER_COLUMNS),
    },
    {
      name: 'show',
      help: 'show a layer, those below it, and the stacks that have it',
      arguments: [CHAIN],
      options: [],
      run: async (client, output, _options, [chain]) => {
        const layer = (await client.get(`/v1/layer${query({ chain })}`)) as LayerDetail;
        if (output.format === 'json') return output.record(layer);
        const { holders, stacks, parents, ...rest } = layer;
        const lists = { holders: holders.join(', '), stacks: stacks.join(', ') };
        if (output.format === 'text')
          return output.record({ ...rest, ...lists, parents: parents.map(({ chain }) => chain).join(', ') });
        await output.record({ ...rest, ...lists });
        return output.list(Readable.from(parents), PARENT_COLUMNS);
      },
    },
    {
      name: 'export',
      help: 'write the tar of a layer, byte for byte as it was added, verified',
      arguments: [CHAIN],
      options: [TO_FILE],
      run: (client, _output, { output: file }, [chain]) =>
        writeBytes(client.bytes(`/v1/layer/tar${query({ chain })}`), fileOf(file), 'a tar'),
    },
    {
      name: 'tarsplit',
      help: "write Docker's tar-split.json.gz of a layer",
      arguments: [CHAIN],
      options: [TO_FILE],
      run: (client, _output, { output: file }, [chain]) =>
        writeBytes(client.bytes(`/v1/layer/tar-split${query({ chain })}`), fileOf(file), 'gzip'),
    },
    {
      name: 'rm',
      help: 'remove a layer that was added, and those below that only it held; lists them',
      arguments: [CHAIN],
      options: [],
      run: async (client, output, _options, [chain]) =>
        writeRemoved(output, await client.ask('DELETE', `/v1/layer${query({ chain })}`)),
    },
  ],
};

/** Lists the layers that went. */
export async function writeRemoved(output: Output, answer: unknown): Promise<void> {
  const { removed } = answer as Removed;
  await output.list(Readable.from(removed), REMOVED_COLUMNS);
}

function fileOf(option: GivenOptions[string]): string | undefined {
  return typeof option === 'string' ? option : undefined;
}

type Size = Pick<LayerLine, 'size'>;

const CHAIN_COLUMN: Column<Pick<LayerLine, 'chain'>> = { title: 'CHAIN', value: ({ chain }) => chain };
const DIFF_COLUMN: Column<Pick<LayerLine, 'diff'>> = { title: 'DIFF', value: ({ diff }) => diff };
const SIZE_COLUMN: Column<Size> = {
  title: 'SIZE',
  value: ({ size }) => size,
  shown: ({ size }) => humanSize(size),
};
const ENTRIES_COLUMN: Column<Pick<LayerLine, 'entries'>> = {
  title: 'ENTRIES',
  value: ({ entries }) => entries,
};

const LAYER_COLUMNS: readonly Column<LayerLine>[] = [
  CHAIN_COLUMN,
  DIFF_COLUMN,
  { title: 'DEPTH', value: ({ depth }) => depth },
  SIZE_COLUMN,
  ENTRIES_COLUMN,
  { title: 'HOLDERS', value: ({ holders }) => holders.join(', '), shown: shortHolders },
  { title: 'CREATED', value: ({ created }) => created },
];

const PARENT_COLUMNS: readonly Column<LayerDetail['parents'][number]>[] = [
  { ...CHAIN_COLUMN, title: 'PARENT' },
  DIFF_COLUMN,
  SIZE_COLUMN,
  ENTRIES_COLUMN,
];

const REMOVED_COLUMNS: readonly Column<Removed['removed'][number]>[] = [
  CHAIN_COLUMN,
  DIFF_COLUMN,
  SIZE_COLUMN,
];

/** Digests of layers on top by as many digits as tell them from others. */
function shortHolders({ holders }: LayerLine): string {
  return holders.map((holder) => holder.replace(/(?<=:[0-9a-f]{12})[0-9a-f]+$/, '…')).join(', ');
}
