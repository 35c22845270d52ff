import { Readable } from 'node:stream';
import { ALGORITHMS } from '../../store/digest.js';
import type { BlobLine, Status } from '../control/protocol.js';
import type { OperationStatistics } from '../statistics.js';
import type { Command, CommandGroup } from './command.js';
import { IMAGE_COMMANDS, IMAGES_COMMAND } from './images.js';
import { showIngests } from './ingests.js';
import { ARCHIVE_COMMANDS } from './archives.js';
import { LAYER_COMMANDS } from './layers.js';
import { humanSize, type Column } from './output.js';
import { query } from './query.js';
import { STACK_COMMANDS } from './stacks.js';

/** Every command; parsing and help are made from it. */
export const COMMANDS: readonly (Command | CommandGroup)[] = [
  {
    name: 'status',
    help: 'show how the daemon is',
    options: [],
    run: async (client, output) => {
      const status = (await client.get('/v1/status')) as Status;
      if (output.format !== 'table') return output.record(status);
      const { operations, ...rest } = status;
      await output.record(rest);
      return output.list(Readable.from(Object.entries(operations)), OPERATION_COLUMNS);
    },
  },
  {
    name: 'ls',
    help: 'list the blobs',
    options: [
      { flags: '--alg <algorithm>', help: 'only those of one algorithm', choices: ALGORITHMS },
      {
        flags: '--label <KEY[=VALUE]>',
        help: 'only those with this label; repeated: with all of them',
        repeatable: true,
      },
    ],
    run: (client, output, { alg, label }) => {
      const url = `/v1/blobs${query({ algorithm: alg, label })}`;
      return output.list(client.lines(url) as AsyncIterable<BlobLine>, BLOB_COLUMNS);
    },
  },
  {
    name: 'ingests',
    help: 'list what is being written',
    options: [
      {
        flags: '-w, --watch',
        help: 'go on until interrupted: progress bars on a terminal, elsewhere the list once a second',
      },
    ],
    run: (client, output, { watch }) => showIngests(client, output, watch !== undefined),
  },
  ...ARCHIVE_COMMANDS,
  LAYER_COMMANDS,
  STACK_COMMANDS,
  IMAGES_COMMAND,
  IMAGE_COMMANDS,
];

const OPERATION_COLUMNS: readonly Column<[string, OperationStatistics]>[] = [
  { title: 'OPERATION', value: ([operation]) => operation },
  { title: 'COUNT', value: ([, { count }]) => count },
  { title: 'MEAN ms', value: ([, { milliseconds }]) => milliseconds.mean },
  { title: 'P99 ms', value: ([, { milliseconds }]) => milliseconds.p99 },
  { title: 'MAX ms', value: ([, { milliseconds }]) => milliseconds.max },
  { title: 'ERRORS', value: ([, { errors }]) => errorCounts(errors) },
];

const BLOB_COLUMNS: readonly Column<BlobLine>[] = [
  { title: 'DIGEST', value: ({ digest }) => digest },
  { title: 'SIZE', value: ({ size }) => size, shown: ({ size }) => humanSize(size) },
  { title: 'COMMITTED', value: ({ committed }) => committed },
];

function errorCounts(errors: Readonly<Record<string, number>>): string {
  return Object.entries(errors)
    .map(([errno, count]) => `${errno} ${count}`)
    .join(', ');
}
