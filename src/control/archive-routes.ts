import { ARCHIVE_FORMATS, type ArchiveFormat, exportImages } from '../../store/archives/export-images.js';
import { importArchive } from '../../store/archives/import-archive.js';
import type { ImportOptions } from '../../store/archives/import-images.js';
import { importLayout } from '../../store/archives/import-layout.js';
import type { Store } from '../../store/store.js';
import type { ImportedLine, RegistrationLine } from './protocol.js';
import { SOURCES, withSource } from './register.js';
import { Bytes, type Call, many, one, type Query, type Route } from './route.js';
import { withProgress } from './with-progress.js';

const NAMES = { type: 'array', items: { type: 'string', minLength: 1 } } as const;

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
        properties: {
          name: { ...NAMES, minItems: 1 },
          format: { type: 'string', enum: ARCHIVE_FORMATS },
          platform: { type: 'string' },
        },
        required: ['name'],
        additionalProperties: false,
      },
    },
    handle: async ({ store }, { name, format, platform }, { signal }) => {
      const [as, on] = [one(format) as ArchiveFormat | undefined, one(platform)];
      const { bytes, size } = await exportImages(store, many(name), {
        ...(as && { format: as }),
        ...(on !== undefined && { platform: on }),
        signal,
      });
      return new Bytes(bytes, size);
    },
  },
];

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
