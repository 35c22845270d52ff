import type { StackLine } from '../control/protocol.js';
import type { CommandGroup } from './command.js';
import { layerInput } from './layer-input.js';
import { writeRemoved } from './layers.js';
import { type Column, humanSize } from './output.js';
import { query } from './query.js';
import { writeRegistration } from './registration.js';

const NAME = { name: 'name', help: 'the stack' };

/** The commands of stacks. */
export const STACK_COMMANDS: CommandGroup = {
  name: 'stack',
  help: 'named piles of layers: ls, add, push, pop, rm',
  commands: [
    {
      name: 'ls',
      help: 'list the stacks',
      options: [],
      run: (client, output) =>
        output.list(client.lines('/v1/stacks') as AsyncIterable<StackLine>, STACK_COLUMNS),
    },
    {
      name: 'add',
      help: 'make an empty stack',
      arguments: [NAME],
      options: [],
      run: async (client, output, _options, [name]) => {
        const stack = (await client.ask('POST', `/v1/stacks${query({ name })}`)) as StackLine;
        await output.name(stack.name, stack);
      },
    },
    {
      name: 'push',
      help: 'put a layer on top of a stack; prints its ChainID',
      arguments: [
        NAME,
        {
          name: 'source',
          help: 'a tar, - for standard input, the digest of a blob, or the chain of a layer',
        },
      ],
      options: [],
      run: async (client, output, _options, [name, source = '']) => {
        const input = await layerInput(source, true);
        const url = `/v1/stack/layers${query({ ...input.query, name })}`;
        await writeRegistration(client, output, source, url, input.body);
      },
    },
    {
      name: 'pop',
      help: 'take the top off a stack; lists the layers that went with it',
      arguments: [NAME],
      options: [],
      run: async (client, output, _options, [name]) =>
        writeRemoved(output, await client.ask('DELETE', `/v1/stack/top${query({ name })}`)),
    },
    {
      name: 'rm',
      help: 'remove a stack; lists the layers that went with it',
      arguments: [NAME],
      options: [],
      run: async (client, output, _options, [name]) =>
        writeRemoved(output, await client.ask('DELETE', `/v1/stack${query({ name })}`)),
    },
  ],
};

const STACK_COLUMNS: readonly Column<StackLine>[] = [
  { title: 'STACK', value: ({ name }) => name },
  { title: 'DEPTH', value: ({ depth }) => depth },
  { title: 'SIZE', value: ({ size }) => size, shown: ({ size }) => humanSize(size) },
  { title: 'TOP', value: ({ top }) => top },
];
