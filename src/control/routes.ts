import type { FastifySchema } from 'fastify';
import { ALGORITHMS, parseAlgorithm } from '../../store/digest.js';
import { statusJsonOfAll } from '../../store/ingest/status-json.js';
import type { Store } from '../../store/store.js';
import type { BlobLine, Status } from './protocol.js';

/** What the routes work on. */
export interface Control {
  readonly store: Store;
  status(): Status;
}

/** A request of the control protocol: one JSON value is answered, or one per line if the handler gives an iterable. */
export interface Route {
  readonly method: 'GET' | 'POST';
  readonly url: string;
  readonly schema: FastifySchema;
  readonly handle: (control: Control, query: Readonly<Record<string, string | undefined>>) => unknown;
}

const NOTHING = { type: 'object', properties: {}, additionalProperties: false };

/** Every request that the daemon understands. */
export const ROUTES: readonly Route[] = [
  {
    method: 'GET',
    url: '/v1/status',
    schema: { querystring: NOTHING },
    handle: (control) => control.status(),
  },
  {
    method: 'GET',
    url: '/v1/blobs',
    schema: {
      querystring: {
        type: 'object',
        properties: { algorithm: { type: 'string', enum: ALGORITHMS } },
        additionalProperties: false,
      },
    },
    handle: (control, { algorithm }) => blobs(control.store, algorithm),
  },
  {
    method: 'GET',
    url: '/v1/ingests',
    schema: { querystring: NOTHING },
    handle: ({ store }) => statusJsonOfAll(store.ingests),
  },
];

/** Provokes an error that nobody catches, for the test that no client hangs then. */
export const FAULT_ROUTES: readonly Route[] = [
  {
    method: 'POST',
    url: '/v1/faults/throw',
    schema: { querystring: NOTHING },
    handle: () => {
      setImmediate(() => {
        throw new Error('fault on request');
      });
      return {};
    },
  },
];

async function* blobs(store: Store, algorithm: string | undefined): AsyncGenerator<BlobLine> {
  const wanted = algorithm === undefined ? ALGORITHMS : [parseAlgorithm(algorithm)];
  for await (const { digest, size, committedAt } of store.blobs.list(wanted)) {
    yield { digest, size, committed: committedAt.toISOString() };
  }
}
