/*
 * Inodes of views have numbers of their own, the same in every mount: 2^52, plus the number of the layer times 2^32, plus
 * twice the position in its tree, plus 1 for a directory; see {@link OWN} for the other tree. They are what the kernel knows the inode by, too: from one, the
 * inode is found again, so nothing need be remembered of what the kernel remembers.
 */

const FIRST = 2 ** 52;
const PER_LAYER = 2 ** 32;
/** Below lie the numbers of directories that have no file below; see {@link virtualInode}. */
const OFFSET = 2 ** 16;
/** The position that stands for the tar. */
const LAST = 2 ** 31 - 1;
/** Where positions in the tree of what a layer itself has begin: a chain of 125 layers has fewer names than that. */
const OWN = 2 ** 30;

/** What a number says. */
export interface ViewPlace {
  /** The number of the layer. */
  readonly layer: number;
  /** The position in its tree; undefined for its tar. */
  readonly position: number | undefined;
  readonly directory: boolean;
  /** Whether the tree is that of what the layer itself has. */
  readonly own?: boolean;
}

/** The number of an inode of a view. */
export function viewNumber({ layer, position = LAST, directory, own = false }: ViewPlace): number {
  const place = own ? OWN + position : position;
  return FIRST + (OFFSET + layer) * PER_LAYER + place * 2 + (directory ? 1 : 0);
}

/** The number of the tar of a layer: that of a position which no tree reaches. */
export function tarNumber(layer: number): number {
  return viewNumber({ layer, position: undefined, directory: false });
}

/** What a number says; undefined for one that is of no view. */
export function viewPlace(number: number): ViewPlace | undefined {
  const layer = Math.floor((number - FIRST) / PER_LAYER) - OFFSET;
  if (layer < 1) return undefined;
  const rest = (number - FIRST) % PER_LAYER;
  const place = Math.floor(rest / 2);
  const directory = rest % 2 === 1;
  if (place === LAST) return { layer, position: undefined, directory };
  return { layer, position: place % OWN, directory, own: place >= OWN };
}
