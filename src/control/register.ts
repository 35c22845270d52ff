import { Readable } from 'node:stream';
import { parseDigest } from '../../store/digest.js';
import type { Layer } from '../../store/layers/layer.js';
import type { Registration } from '../../store/layers/layers.js';
import { type LayerSource, streamSource, withBlob, withFile } from '../../store/layers/layer-source.js';
import { matchTarSplit } from '../../store/layers/tar-split.js';
import type { Store } from '../../store/store.js';
import { layerLine } from './layer-lines.js';
import type { RegisteredLine, RegistrationLine } from './protocol.js';
import { type Call, one, type Query } from './route.js';
import { withProgress } from './with-progress.js';

/** Where the bytes of a layer come from: exactly one of these is a parameter of a registration. */
export const SOURCES = {
  properties: {
    /** A file that the daemon opens. */
    path: { type: 'string', pattern: '^/' },
    digest: { type: 'string' },
    /** They are sent with the request. */
    body: { type: 'boolean' },
  },
  oneOf: [{ required: ['path'] }, { required: ['digest'] }, { required: ['body'] }],
} as const;

/** A parameter beside them: a tar-split.json that must tell of the same tar. */
export const TAR_SPLIT = { tarSplit: { type: 'string', pattern: '^/' } } as const;

type How = Omit<Registration, 'parent' | 'holder'>;

/** Registers what a request names; `add` is given its source. */
export function register(
  store: Store,
  query: Query,
  call: Call,
  add: (source: LayerSource, how: How) => Promise<Layer>,
): AsyncIterable<RegistrationLine | RegisteredLine> {
  const { signal } = call;
  return withProgress(async (progress) => {
    const layer = await withSource(store, query, call, (source) =>
      withCheck(store, query, signal, (check) => add(source, { ...check, signal, progress })),
    );
    return { layer: layerLine(store, layer) };
  });
}

/** Opens what {@link SOURCES} name. @throws CasError BLOB_NOT_FOUND, LAYER_INVALID where it is no file; the system's error */
export function withSource<T>(
  { blobs }: Store,
  { path, digest }: Query,
  { body }: Call,
  use: (source: LayerSource) => Promise<T>,
): Promise<T> {
  const file = one(path);
  if (file !== undefined) return withFile(file, use);
  const blob = one(digest);
  if (blob !== undefined) return withBlob(blobs, parseDigest(blob), use);
  return use(streamSource(body ?? Readable.from([])));
}

function withCheck<T>(
  { layers }: Store,
  { tarSplit }: Query,
  signal: AbortSignal,
  use: (check: Pick<How, 'check'>) => Promise<T>,
): Promise<T> {
  const file = one(tarSplit);
  if (file === undefined) return use({});
  return withFile(file, (given) => use({ check: matchTarSplit(given, layers.payloads.reader, signal) }));
}
