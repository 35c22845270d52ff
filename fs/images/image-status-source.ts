import type { NamedPlace } from '../../store/images/image-names.js';
import type { UnpackedImages } from '../../store/images/unpacked-images.js';
import { FsError } from '../errors.js';
import type { Stands, StatusSource } from '../status-directory.js';

/** The status of images, by their names. */
export function imageStatusSource(images: UnpackedImages): StatusSource {
  const placeAt = async (path: string): Promise<NamedPlace | undefined> =>
    (await images.names()).at(path === '' ? [] : path.split('/'));
  return {
    at: async (directory, name) => standsOf(await placeAt(directory === '' ? name : `${directory}/${name}`)),
    names: async (directory) =>
      [...((await placeAt(directory))?.children ?? [])].flatMap(([name, place]) => {
        const stands = standsOf(place);
        return stands === undefined ? [] : [[name, stands] as const];
      }),
    status: async (path) => {
      const place = await placeAt(path);
      if (place === undefined || place.entries.length === 0) throw new FsError('ENOENT');
      return images.status(path, await images.choose(place));
    },
  };
}

function standsOf(place: NamedPlace | undefined): Stands | undefined {
  if (place === undefined) return undefined;
  if (place.entries.length === 0) return place.children.size > 0 ? 'directory' : undefined;
  return place.children.size > 0 ? 'both' : 'file';
}
