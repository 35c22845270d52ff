import type { Chosen } from '../../store/images/choose-image.js';
import { CasError } from '../../store/errors.js';
import { isDigest } from '../../store/digest.js';
import { type Descriptor, fullNameOf, keyOf, refNameOf } from '../../store/images/descriptor.js';
import type { Store } from '../../store/store.js';
import { layerLine } from './layer-lines.js';
import type { ImageDetail, ImageLine } from './protocol.js';
import { given, requiring, type Route } from './route.js';
import { withProgress } from './with-progress.js';

/** The requests for images. They are named as they are below `images/`, or by their digests. */
export const IMAGE_ROUTES: readonly Route[] = [
  {
    method: 'GET',
    url: '/v1/images',
    schema: requiring(),
    handle: ({ store }) => allImages(store),
  },
  {
    method: 'GET',
    url: '/v1/image',
    schema: requiring('name'),
    handle: ({ store }, { name }) => imageDetail(store, given(name)),
  },
  {
    method: 'POST',
    url: '/v1/image/layers',
    schema: requiring('name'),
    handle: ({ store }, query, { signal }) =>
      withProgress(async (progress) => {
        const name = given(query['name']);
        const layer = await store.unpacked.unpack(name, await named(store, name), signal, progress);
        return { layer: layerLine(store, layer) };
      }),
  },
  {
    method: 'DELETE',
    url: '/v1/image',
    schema: requiring('name'),
    handle: async ({ store }, query) => {
      const name = given(query['name']);
      const { entries } = (await store.unpacked.names()).require(name);
      const names = new Set(entries.map((entry) => fullNameOf(entry) ?? refNameOf(entry)));
      if (names.size > 1 && !isDigest(name))
        throw new CasError('IMAGE_NAME_INVALID', {
          subject: name,
          found: `${names.size} images of that name`,
        });
      const keys = new Set(entries.map(keyOf));
      const isMeant = (entry: Descriptor): boolean => keys.has(keyOf(entry)) || entry.digest === name;
      if (!(await store.images.removeAll(isMeant))) throw new CasError('IMAGE_NOT_FOUND', { subject: name });
      await store.unpacked.settle();
      return { name };
    },
  },
];

async function named({ unpacked }: Store, name: string): Promise<Chosen> {
  return unpacked.choose((await unpacked.names()).require(name));
}

/** In the order of their names. */
async function* allImages({ unpacked }: Store): AsyncGenerator<ImageLine> {
  const all = [...(await unpacked.names()).all()].sort(([a], [b]) => (a < b ? -1 : 1));
  for (const [name, place] of all) {
    const chosen = await unpacked.choose(place);
    const { digest, platform, state } = await unpacked.status(name, chosen);
    yield { name, digest, platform, size: sizeOf(chosen), state };
  }
}

async function imageDetail(store: Store, name: string): Promise<ImageDetail> {
  const chosen = await named(store, name);
  const { image, platforms } = chosen;
  const parts = (image?.blobs ?? []).map(({ digest, size }, index) => {
    const layer = image?.layers[index];
    const registered = layer !== undefined && store.unpacked.isRegistered(layer);
    return { blob: digest, size, diff: layer?.diff ?? null, chain: layer?.chain ?? null, registered };
  });
  const status = await store.unpacked.status(name, chosen);
  return { ...status, size: sizeOf(chosen), platforms: [...platforms.keys()], parts };
}

function sizeOf({ image }: Chosen): number | null {
  if (image === undefined) return null;
  const { manifest, config, blobs } = image;
  return [manifest, config, ...blobs].reduce((sum, { size }) => sum + size, 0);
}
