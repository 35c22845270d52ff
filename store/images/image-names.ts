import { isDigest } from '../digest.js';
import { CasError, isCasError } from '../errors.js';
import { checkComponent } from '../ref.js';
import { type Descriptor, fullNameOf, refNameOf } from './descriptor.js';
import { type Reference, reference } from './manifest.js';

/** The most bytes of a name that is shown: PATH_MAX less room for where it is mounted, and for what is in an image. */
const LONGEST = 2048;

/** A directory below `images/`: that of an image, of others whose names begin with its own, or of both. */
export interface NamedPlace {
  /** The entries of index.json with that name: more than one where a tool wrote one for each platform. */
  readonly entries: readonly Reference[];
  readonly children: ReadonlyMap<string, NamedPlace>;
}

interface Growing extends NamedPlace {
  readonly entries: Reference[];
  readonly children: Map<string, Growing>;
}

/**
 * The names of images as paths, and what they lead to. An entry is shown once: by the name in full that containerd gave
 * it, by its reference name, or else by its digest. It is found by all of them.
 */
export class ImageNames {
  /** All entries that lead to what a store can have, in the order of index.json. */
  readonly entries: readonly Reference[];
  readonly #root = newPlace();
  /** What is found, but not shown. */
  readonly #others = newPlace();

  constructor(manifests: readonly Descriptor[]) {
    this.entries = manifests.flatMap((one) => usable(one) ?? []);
    const unnamed: Reference[] = [];
    for (const entry of this.entries) {
      const [path, ...others] = pathsOf(entry);
      if (path === undefined) unnamed.push(entry);
      else add(this.#root, path, entry);
      for (const other of [...others, [entry.digest]]) add(this.#others, other, entry);
    }
    for (const entry of unnamed) add(this.#root, [entry.digest], entry);
  }

  /** What stands at a path below `images/`, the empty one being that itself; undefined where nothing does. */
  at(path: readonly string[]): NamedPlace | undefined {
    return find(this.#root, path) ?? find(this.#others, path);
  }

  /**
   * The place that a name or a digest leads to.
   * @throws CasError IMAGE_NOT_FOUND
   */
  require(name: string): NamedPlace {
    const place = this.at(name.split('/'));
    if (place === undefined || place.entries.length === 0)
      throw new CasError('IMAGE_NOT_FOUND', { subject: name });
    return place;
  }

  /** All images by their paths, those without a name by their digests. */
  *all(): Generator<readonly [path: string, place: NamedPlace]> {
    yield* placesBelow(this.#root, '');
  }
}

function* placesBelow(place: NamedPlace, path: string): Generator<readonly [string, NamedPlace]> {
  for (const [name, child] of place.children) {
    const own = path === '' ? name : `${path}/${name}`;
    if (child.entries.length > 0) yield [own, child];
    yield* placesBelow(child, own);
  }
}

function newPlace(): Growing {
  return { entries: [], children: new Map() };
}

function add(root: Growing, path: readonly string[], entry: Reference): void {
  const { entries } = path.reduce(childOf, root);
  if (entries.every(({ digest }) => digest !== entry.digest)) entries.push(entry);
}

function find(root: NamedPlace, path: readonly string[]): NamedPlace | undefined {
  return path.reduce<NamedPlace | undefined>((place, name) => place?.children.get(name), root);
}

/** The names that an entry has and that can be paths, the one that it is shown with first. */
function pathsOf(entry: Reference): string[][] {
  return [fullNameOf(entry), refNameOf(entry)].flatMap((name) => {
    const path = pathOf(name);
    return path === undefined ? [] : [path];
  });
}

function childOf(place: Growing, name: string): Growing {
  const child = place.children.get(name) ?? newPlace();
  place.children.set(name, child);
  return child;
}

/** How many components a name may have that is shown as a path. */
const DEEPEST = 32;

/** The components of a name that can be a path; undefined for others. */
function pathOf(name: unknown): string[] | undefined {
  if (typeof name !== 'string' || Buffer.byteLength(name) > LONGEST) return undefined;
  const path = name.split('/');
  if (path.length > DEEPEST) return undefined;
  try {
    path.forEach(checkComponent);
    return path;
  } catch (error) {
    if (error instanceof CasError) return undefined;
    throw error;
  }
}

/** An entry whose digest the store can have; undefined for others. */
function usable(entry: Descriptor): Reference | undefined {
  try {
    return isDigest(entry.digest) ? reference(entry, 'index.json', 'manifests') : undefined;
  } catch (error) {
    if (isCasError(error, 'IMAGE_INVALID')) return undefined;
    throw error;
  }
}
