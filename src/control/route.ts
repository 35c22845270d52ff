import type { Readable } from 'node:stream';
import type { FastifySchema } from 'fastify';
import type { Store } from '../../store/store.js';
import type { Status } from './protocol.js';

/** What the routes work on. */
export interface Control {
  readonly store: Store;
  status(): Status;
}

/** The parameters of a request, as its schema allows them. */
export type Query = Readonly<Record<string, string | readonly string[] | undefined>>;

/** What a handler may need beside the parameters. */
export interface Call {
  /** The bytes that the client sends; they must not be destroyed, or no answer reaches it. */
  readonly body: Readable | undefined;
  /** Aborted when the client has gone before the end of the answer. */
  readonly signal: AbortSignal;
}

/**
 * A request of the control protocol: one JSON value is answered, one per line if the handler gives an iterable, and
 * bytes if it gives {@link Bytes}.
 */
export interface Route {
  readonly method: 'GET' | 'POST' | 'DELETE';
  readonly url: string;
  readonly schema: FastifySchema;
  readonly handle: (control: Control, query: Query, call: Call) => unknown;
}

/** An answer that is no JSON. An error on the way is told after the bytes. */
export class Bytes {
  readonly chunks: AsyncIterable<Buffer>;
  /** How many they are; undefined where that is not known. */
  readonly size: number | undefined;

  constructor(chunks: AsyncIterable<Buffer>, size?: number) {
    this.chunks = chunks;
    this.size = size;
  }
}

/** The schema of a request whose parameters, all texts, have to be there. */
export function requiring(...names: readonly string[]): FastifySchema {
  return {
    querystring: {
      type: 'object',
      properties: Object.fromEntries(names.map((name) => [name, { type: 'string' }])),
      required: names,
      additionalProperties: false,
    },
  };
}

/** A parameter that may be given once. */
export function one(parameter: Query[string]): string | undefined {
  return typeof parameter === 'string' ? parameter : undefined;
}

/** A parameter that has to be there by its schema. */
export function given(parameter: Query[string]): string {
  return one(parameter) ?? '';
}

/** A parameter that may be given more than once. */
export function many(parameter: Query[string]): readonly string[] {
  return typeof parameter === 'string' ? [parameter] : (parameter ?? []);
}
