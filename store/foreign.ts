import { limiter } from './hasher/limiter.js';

/**
 * Lets through a few operations at a time on files that anybody named: they may lie in a mount of this very process, and
 * such an operation holds a thread of the pool until another one has answered it.
 */
export const foreign = limiter(4);
