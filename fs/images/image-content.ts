import { algorithmOf, type Digest, hexOf } from '../../store/digest.js';
import type { Chosen } from '../../store/images/choose-image.js';
import type { Image } from '../../store/images/image.js';
import type { UnpackedImages } from '../../store/images/unpacked-images.js';
import { type Errno, FsError } from '../errors.js';
import { ROOTFS } from './content-directory.js';
import type { Content, Contents } from './image-nodes.js';

/** Names that are those of an image's own content, not of images whose names begin with its own. */
export const OWN_NAMES: ReadonlySet<string> = new Set([
  'index.json',
  'manifest.json',
  'config.json',
  'layers',
  'platforms',
  ROOTFS,
]);

/** What the directory of an image shows. `path` is that of the directory in the mount, `find` finds it anew. */
export function imageContent(
  images: UnpackedImages,
  path: string,
  chosen: Chosen,
  find: () => Promise<Chosen>,
): Content {
  const { index, manifest, image, platforms, fault } = chosen;
  const root = '../'.repeat(path.split('/').length);
  const directories = new Map<string, Contents>();
  if (image !== undefined) {
    const blobs = async (): Promise<Content> => layerLinks(required((await find()).image), `../${root}`);
    directories.set('layers', blobs);
  }
  if (platforms.size > 0) {
    const names = async (): Promise<Content> => platformContent(images, `${path}/platforms`, find);
    directories.set('platforms', names);
  }
  const top = image?.layers.at(-1);
  const links: [string, string | undefined][] = [
    ['index.json', index && blobPath(root, index.digest)],
    ['manifest.json', manifest && blobPath(root, manifest.digest)],
    ['config.json', image && blobPath(root, image.config.digest)],
    [ROOTFS, top && `${root}layers/sha256/${hexOf(top.chain)}`],
  ];
  return {
    links: new Map(links.filter((link): link is [string, string] => link[1] !== undefined)),
    directories,
    ...(fault && { fault: { errno: fault.errno as Errno, message: fault.message } }),
    checkRoot: (signal) => images.checkTree(chosen, signal),
    attributes: () => attributesOf(images, chosen),
  };
}

function layerLinks({ blobs }: Image, root: string): Content {
  const links = blobs.map(({ digest }, index) => [`${index + 1}`, blobPath(root, digest)] as const);
  return { links: new Map(links), directories: new Map() };
}

async function platformContent(
  images: UnpackedImages,
  path: string,
  find: () => Promise<Chosen>,
): Promise<Content> {
  const { platforms } = await find();
  const directories = [...platforms.keys()].map((name): [string, Contents] => {
    const chosen = async (): Promise<Chosen> => images.at(required((await find()).platforms.get(name)));
    const contents = async (): Promise<Content> =>
      imageContent(images, `${path}/${name}`, await chosen(), chosen);
    return [name, contents];
  });
  return { links: new Map(), directories: new Map(directories) };
}

async function attributesOf(
  images: UnpackedImages,
  chosen: Chosen,
): Promise<Readonly<Record<string, string>>> {
  const { digest, state, error } = await images.status('', chosen);
  return {
    'user.cas.digest': digest,
    ...(state !== null && { 'user.cas.state': state }),
    ...(error !== null && { 'user.cas.error': error.message }),
  };
}

function required<T>(value: T | undefined): T {
  if (value === undefined) throw new FsError('ENOENT');
  return value;
}

function blobPath(root: string, digest: Digest): string {
  return `${root}blobs/${algorithmOf(digest)}/${hexOf(digest)}`;
}
