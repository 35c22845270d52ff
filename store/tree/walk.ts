import { CasError } from '../errors.js';
import type { ByteText } from '../tar/entry.js';
import { DraftDirectory } from './draft-directory.js';
import { type DraftTree, pathText } from './draft-tree.js';
import { checkName, type Components, WHITEOUT } from './tar-name.js';
import type { Nodes } from './with-nodes.js';

/** As many symlinks as Linux follows in one path. */
const HOPS = 40;

export interface WalkOptions {
  /** Makes directories of what is missing or is none. */
  readonly create?: boolean;
  /** Paths at which a symlink is not followed: nothing is behind it. */
  readonly blocked?: ReadonlySet<ByteText>;
}

/**
 * The directory at a path. Symlinks are followed inside the tree: its root is theirs, and the parent of the root is the
 * root. Undefined where there is no directory and none is to be made.
 * @throws CasError LAYER_INVALID with ELOOP after 40 symlinks; LAYER_TOO_LARGE, LAYER_DAMAGED
 */
export function walk(
  tree: DraftTree,
  nodes: Nodes,
  components: Components,
  { create = false, blocked }: WalkOptions,
): DraftDirectory | undefined {
  const path = [tree.root];
  const names: ByteText[] = [];
  const ahead = components.toReversed();
  let hops = 0;
  for (let name = ahead.pop(); name !== undefined; name = ahead.pop()) {
    if (name === '..') {
      if (names.pop() !== undefined) path.pop();
      continue;
    }
    const here = path.at(-1) ?? tree.root;
    const child = tree.child(nodes, here, name);
    const target = child instanceof Buffer ? tree.target(nodes, child) : undefined;
    if (target !== undefined) {
      if (blocked?.has([...names, name].join('/'))) return undefined;
      if (++hops > HOPS) {
        throw new CasError('LAYER_INVALID', { subject: pathText(components), errno: 'ELOOP' });
      }
      if (target.startsWith('/')) {
        names.length = 0;
        path.length = 1;
      }
      for (const component of target.split('/').reverse()) {
        if (component !== '' && component !== '.') ahead.push(component);
      }
      continue;
    }
    const directory = child instanceof DraftDirectory ? child : create && implied(tree, here, name, child);
    if (!directory) return undefined;
    path.push(directory);
    names.push(name);
  }
  return path.at(-1);
}

/** Targets of symlinks can ask for names that no entry may have. */
function implied(
  tree: DraftTree,
  parent: DraftDirectory,
  name: ByteText,
  old: Buffer | undefined,
): DraftDirectory {
  checkName(name);
  if (name.startsWith(WHITEOUT)) {
    throw new CasError('LAYER_INVALID', { subject: JSON.stringify(name), expected: 'no whiteout in a path' });
  }
  return tree.makeDirectory(parent, name, old);
}
