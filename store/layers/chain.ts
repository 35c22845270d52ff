import { type Digest, sha256Of } from '../digest.js';

/** The most layers that a chain may have; the Docker layer store has the same limit. */
export const MAX_DEPTH = 125;

/**
 * The ChainID of a layer on top of others (OCI image-spec, config, "Layer ChainID"): its DiffID where it is the lowest,
 * else the SHA-256 of the text `<ChainID below> <DiffID>`.
 */
export function chainOf(parent: Digest | undefined, diff: Digest): Digest {
  if (parent === undefined) return diff;
  return sha256Of(`${parent} ${diff}`);
}
