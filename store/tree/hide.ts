import type { ByteText } from '../tar/entry.js';
import type { DraftTree } from './draft-tree.js';
import type { NodeCache } from './node-cache.js';
import type { TarName } from './tar-name.js';
import { takingTurns } from './turns.js';
import { walk } from './walk.js';
import { type Nodes, withNodes } from './with-nodes.js';

export type Hiding = Extract<TarName, { kind: 'whiteout' | 'opaque' }>;

/** Whiteouts that are applied before other work has its turn. */
const TURN = 1024;

/**
 * Applies a layer's whiteouts, before any of its entries.
 *
 * Where the layer has a directory of its own in place of a symlink, the whiteouts in it do not reach through the
 * symlink: the overlay driver of Docker marks such a directory as opaque.
 * @param own the paths of all directories that the layer has
 * @throws CasError LAYER_INVALID with ELOOP; LAYER_DAMAGED
 */
export async function hide(
  tree: DraftTree,
  cache: NodeCache,
  hiding: readonly Hiding[],
  own: ReadonlySet<ByteText>,
): Promise<void> {
  const turn = takingTurns(TURN);
  for (const what of hiding) {
    await withNodes(cache, (nodes) => hideOne(tree, nodes, what, own));
    await turn();
  }
}

function hideOne(
  tree: DraftTree,
  nodes: Nodes,
  { kind, components }: Hiding,
  blocked: ReadonlySet<ByteText>,
): void {
  if (kind === 'opaque') {
    const directory = walk(tree, nodes, components, { blocked });
    if (directory) tree.empty(directory);
    return;
  }
  const parent = walk(tree, nodes, components.slice(0, -1), { blocked });
  const name = components.at(-1) ?? '';
  if (parent === undefined) return;
  const old = tree.child(nodes, parent, name);
  if (old) tree.remove(parent, name, old);
  else (parent.whiteouts ??= new Set()).add(name);
}
