import { FixedDirectory } from '../fixed-directory.js';
import type { Node } from '../node.js';
import { LayerDirectory } from './layer-directory.js';
import type { Owner, Views } from './view.js';

/** `layers/`. A ChainID is SHA-256 where there is more than one layer, so that is the one algorithm. */
export function layersDirectory(views: Views, owner: Owner): Node {
  return new FixedDirectory('/layers', 0o555, owner, {
    sha256: new LayerDirectory('/layers/sha256', views, owner),
  });
}
