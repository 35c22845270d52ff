import { type Digest, digestOf } from '../digest.js';
import { CasError } from '../errors.js';
import type { Layer } from './layer.js';
import type { Layers } from './layers.js';

const CHAIN = /^(?:sha256:)?([0-9a-f]{6,64})$/;
const WHOLE = 64;

/**
 * The layer whose chain is given, with or without `sha256:`, or by at least six of its first digits.
 * @throws CasError DIGEST_INVALID, LAYER_NOT_FOUND; LAYER_AMBIGUOUS
 */
export async function findLayer(layers: Layers, text: string): Promise<Layer> {
  const hex = CHAIN.exec(text)?.[1];
  if (hex === undefined)
    throw new CasError('DIGEST_INVALID', {
      subject: text,
      expected: 'sha256:<hex>, or at least 6 of its hex digits',
    });
  await layers.load();
  if (hex.length === WHOLE) return layers.require(digestOf('sha256', hex));
  const [found, ...others] = layers.all().filter(({ chain }) => chain.startsWith(`sha256:${hex}`));
  if (found === undefined) throw new CasError('LAYER_NOT_FOUND', { subject: text });
  if (others.length === 0) return found;
  const chains: readonly Digest[] = [found, ...others].map(({ chain }) => chain).sort();
  throw new CasError('LAYER_AMBIGUOUS', { subject: text, found: chains.slice(0, 3).join(', ') });
}
