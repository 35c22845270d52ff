import type { FastifySchema } from 'fastify';
import { ALGORITHMS, parseAlgorithm } from '../../store/digest.js';
import { statusJsonOfAll } from '../../store/ingest/status-json.js';
import type { LabelCondition } from '../../store/metadata/label-index.js';
import type { Store } from '../../store/store.js';
import type { BlobLine, Status } from './protocol.js';

/** What the routes work on. */
export interface Control {
  readonly store: Store;
  status(): Status;
}

/** The parameters of a request, as its schema allows them. */
export type Query = Readonly<Record<string, string | readonly string[] | undefined>>;

/** A request of the control protocol: one JSON value is answered, or one per line if the handler gives an iterable. */
export interface Route {
  readonly method: 'GET' | 'POST';
  readonly url: string;
  readonly schema: FastifySchema;
  readonly handle: (control: Control, query: Query) => unknown;
}

/** `KEY` or `KEY=VALUE`; no key of a label begins with `=`. */
const LABEL = '^[^=]';

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

function one(parameter: Query[string]): string | undefined {
  return typeof parameter === 'string' ? parameter : undefined;
}

function many(parameter: Query[string]): readonly string[] {
  return typeof parameter === 'string' ? [parameter] : (parameter ?? []);
}

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
