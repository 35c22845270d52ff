import type { Report } from '../report.js';
import { DEFAULT_EXPIRY, type Expiry } from './expiry.js';
import type { HashPolicy } from './hash-policy.js';
import { CHECKPOINT_STEP } from './pace.js';

export interface IngestsOptions extends Partial<HashPolicy> {
  /** When ingests are removed that nobody writes any more. Default {@link DEFAULT_EXPIRY}. */
  readonly expiry?: Expiry;
  /** Takes what whoever runs the store should know. */
  readonly report?: Report;
}

/** What holds where nothing is said. */
export const DEFAULTS: Required<IngestsOptions> = {
  verify: 'auto',
  checkpoint: CHECKPOINT_STEP,
  expiry: DEFAULT_EXPIRY,
  report: () => undefined,
};
