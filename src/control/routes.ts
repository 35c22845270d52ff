import { ALGORITHMS, parseAlgorithm } from '../../store/digest.js';
import { statusJsonOfAll } from '../../store/ingest/status-json.js';
import type { LabelCondition } from '../../store/metadata/label-index.js';
import type { Store } from '../../store/store.js';
import { ARCHIVE_ROUTES } from './archive-routes.js';
import { IMAGE_ROUTES } from './image-routes.js';
import { LAYER_ROUTES } from './layer-routes.js';
import type { BlobLine } from './protocol.js';
import { many, one, requiring, type Route } from './route.js';
import { STACK_ROUTES } from './stack-routes.js';

/** `KEY` or `KEY=VALUE`; no key of a label begins with `=`. */
const LABEL = '^[^=]';

/** Every request that the daemon understands. */
export const ROUTES: readonly Route[] = [
  {
    method: 'GET',
    url: '/v1/status',
    schema: requiring(),
    handle: (control) => control.status(),
  },
  {
    method: 'GET',
    url: '/v1/blobs',
    schema: {
      querystring: {
        type: 'object',
        properties: {
          algorithm: { type: 'string', enum: ALGORITHMS },
          label: { type: 'array', items: { type: 'string', pattern: LABEL } },
        },
        additionalProperties: false,
      },
    },
    handle: ({ store }, { algorithm, label }) => blobs(store, one(algorithm), many(label)),
  },
  {
    method: 'GET',
    url: '/v1/ingests',
    schema: requiring(),
    handle: ({ store }) => statusJsonOfAll(store.ingests),
  },
  ...LAYER_ROUTES,
  ...STACK_ROUTES,
  ...IMAGE_ROUTES,
  ...ARCHIVE_ROUTES,
];

/** Provokes an error that nobody catches, for the test that no client hangs then. */
export const FAULT_ROUTES: readonly Route[] = [
  {
    method: 'POST',
    url: '/v1/faults/throw',
    schema: requiring(),
    handle: () => {
      setImmediate(() => {
        throw new Error('fault on request');
      });
      return {};
    },
  },
];

function parseLabel(text: string): LabelCondition {
  const equals = text.indexOf('=');
  return equals < 0
    ? { key: text }
    : { key: text.slice(0, equals), value: Buffer.from(text.slice(equals + 1)) };
}

async function* blobs(
  store: Store,
  algorithm: string | undefined,
  labels: readonly string[],
): AsyncGenerator<BlobLine> {
  const wanted = algorithm === undefined ? ALGORITHMS : [parseAlgorithm(algorithm)];
  const [first, ...others] = labels.map(parseLabel);
  const found = first ? store.labels.find([first, ...others], wanted) : store.blobs.list(wanted);
  for await (const { digest, size, committedAt } of found) {
    yield { digest, size, committed: committedAt.toISOString() };
  }
}
