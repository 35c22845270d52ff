import { ARCHIVE_FORMATS, type ArchiveFormat } from '../../store/archives/archive-formats.js';
import { exportImages, type ExportOptions, exportToFile } from '../../store/archives/export-images.js';
import { importArchive } from '../../store/archives/import-archive.js';
import type { ImportOptions } from '../../store/archives/import-images.js';
import { importLayout } from '../../store/archives/import-layout.js';
import type { Store } from '../../store/store.js';
import type { ExportedLine, ImportedLine, RegistrationLine } from './protocol.js';
import { SOURCES, withSource } from './register.js';
import { Bytes, type Call, given, many, one, type Query, type Route } from './route.js';
import { withProgress } from './with-progress.js';

const NAMES = { type: 'array', items: { type: 'string', minLength: 1 } } as const;

/** What an archive is to hold. */
const EXPORTED = {
  name: { ...NAMES, minItems: 1 },
  format: { type: 'string', enum: ARCHIVE_FORMATS },
  platform: { type: 'string' },
} as const;

const NUMBER = { type: 'string', pattern: '^[0-9]{1,20}$' } as const;

/** The requests for archives of images. */
export const ARCHIVE_ROUTES: readonly Route[] = [
  {
    method: 'POST',
    url: '/v1/archive',
    schema: {
      querystring: {
        type: 'object',
        properties: {
          ...SOURCES.properties,
          /** A directory that the daemon reads. */
          layout: { type: 'string', pattern: '^/' },
          name: NAMES,
          all: { type: 'boolean' },
        },
        oneOf: [...SOURCES.oneOf, { required: ['layout'] }],
        additionalProperties: false,
      },
    },
    handle: ({ store }, query, call) => takeIn(store, query, call),
  },
  {
    method: 'GET',
    url: '/v1/archive',
    schema: {
      querystring: {
        type: 'object',
        properties: EXPORTED,
        required: ['name'],
        additionalProperties: false,
      },
    },
    handle: async ({ store }, query, call) => {
      const { bytes, size } = await exportImages(store, many(query['name']), exportOptions(query, call));
      return new Bytes(bytes, size);
    },
  },
  {
    method: 'POST',
    url: '/v1/archive/file',
    schema: {
      querystring: {
        type: 'object',
        properties: {
          ...EXPORTED,
          /** An empty file that the client has made, and which one it is: the daemon may see another by that path. */
          path: { type: 'string', pattern: '^/' },
          device: NUMBER,
          inode: NUMBER,
        },
        required: ['name', 'path', 'device', 'inode'],
        additionalProperties: false,
      },
    },
    handle: ({ store }, query, call) => writeOut(store, query, call),
  },
];

function exportOptions({ format, platform }: Query, { signal }: Call): ExportOptions {
  const [as, on] = [one(format) as ArchiveFormat | undefined, one(platform)];
  return { ...(as && { format: as }), ...(on !== undefined && { platform: on }), signal };
}

function writeOut(store: Store, query: Query, call: Call): AsyncIterable<RegistrationLine | ExportedLine> {
  const file = {
    path: given(query['path']),
    device: BigInt(given(query['device'])),
    inode: BigInt(given(query['inode'])),
  };
  return withProgress(async (progress) => {
    const options = { ...exportOptions(query, call), progress };
    return { exported: { size: await exportToFile(store, many(query['name']), file, options) } };
  });
}

function takeIn(store: Store, query: Query, call: Call): AsyncIterable<RegistrationLine | ImportedLine> {
  const layout = one(query['layout']);
  return withProgress(async (progress) => {
    const options: ImportOptions = {
      names: many(query['name']),
      all: query['all'] !== undefined && String(query['all']) === 'true',
      signal: call.signal,
      progress,
    };
    const images = await (layout === undefined
      ? withSource(store, query, call, (source) => importArchive(store, source, options))
      : importLayout(store, layout, options));
    return { images: images.map(({ name = null, digest }) => ({ name, digest })) };
  });
}
