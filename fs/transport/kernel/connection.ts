import { negotiate } from './init.js';
import type { Handler } from './operation.js';

export const init: Handler = (context, { body }) => {
  try {
    const { reply, agreement } = negotiate(body, context.backings.permitted, context.stateless);
    if (agreement) {
      context.backings.enabled = agreement.passthrough;
      context.initialized(agreement);
    }
    return reply;
  } catch (error) {
    context.initialized(error as Error);
    throw error;
  }
};

/** There is one reader, so a request comes before its interrupt; one that is not under way was answered. */
export const interrupt: Handler = (context, { body }) => {
  context.interrupt(body.u64());
  return undefined;
};
