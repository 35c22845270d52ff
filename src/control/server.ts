import { chmod, rename, rm } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { fastify, type FastifyError, type FastifyInstance, type FastifyReply } from 'fastify';
import { CasError } from '../../store/errors.js';
import { errorFields, type Log } from '../log.js';
import { BYTES, type ControlFailure, controlSocket, OUTCOME, SIZE } from './protocol.js';
import { Bytes, type Control, type Query, type Route } from './route.js';
import { withinSocketLimit } from './socket-path.js';

/** What the client is told of an error in the middle of an answer. */
type Failed = (error: unknown) => ControlFailure;

/** The open control socket. */
export interface ControlServer {
  close(): Promise<void>;
}

/**
 * Opens the control socket of a store, in place of one that a killed daemon left behind. It is bound under another
 * name and moved when its mode is right; nobody else can enter the store, which is 0700, at any moment. A socket takes
 * no block of the disk, as a directory would: a store on a full disk must come up, or nobody could make room.
 */
export async function openControl(
  control: Control,
  routes: readonly Route[],
  log: Log,
): Promise<ControlServer> {
  const app = controlApp(control, routes, log);
  const socket = controlSocket(control.store.root);
  const bound = `${socket}.new`;
  try {
    await rm(bound, { recursive: true, force: true });
    await withinSocketLimit(bound, (short) => app.listen({ path: short }));
    await chmod(bound, 0o600);
    await rename(bound, socket);
  } catch (error) {
    await app.close();
    await rm(bound, { force: true });
    throw error;
  }
  return {
    close: async () => {
      await rm(socket, { force: true });
      await app.close();
    },
  };
}

/** The protocol without its socket. */
export function controlApp(control: Control, routes: readonly Route[], log: Log): FastifyInstance {
  const app = fastify({ forceCloseConnections: true, ajv: { customOptions: { removeAdditional: false } } });
  app.addContentTypeParser(BYTES, (_request, payload, done) => done(null, payload));
  const tell = (error: unknown, url: string): ControlFailure => {
    const failure = failureOf(error);
    const stack = error instanceof Error ? error.stack : undefined;
    if (failure.code === 'INTERNAL')
      log.error({ ...errorFields(error), stack, url }, 'control request failed');
    return failure;
  };
  app.setErrorHandler((error: FastifyError, request, reply) => {
    return reply
      .code(error.validation ? 400 : error instanceof CasError ? 409 : (error.statusCode ?? 500))
      .send(tell(error, request.url));
  });
  app.setNotFoundHandler((request, reply) => {
    const message = `${request.method} ${request.url}: this daemon knows no such request`;
    return reply.code(404).send(failureWith({ code: 'REQUEST_UNKNOWN', message }));
  });
  for (const { method, url, schema, handle } of routes) {
    app.route({
      method,
      url,
      schema,
      handler: async (request, reply) => {
        const body = request.body instanceof Readable ? request.body : undefined;
        const signal = goneSignal(reply);
        const answer = await handle(control, request.query as Query, { body, signal });
        // Whoever has gone is told nothing: what failed then was interrupted.
        const failed = (error: unknown): ControlFailure =>
          signal.aborted ? failureOf(error) : tell(error, request.url);
        if (answer instanceof Bytes) return sendBytes(reply, answer, failed);
        return isIterable(answer) ? sendLines(reply, answer, failed) : reply.send(answer);
      },
    });
  }
  return app;
}

/** Aborted when the connection is closed before all has been answered. */
function goneSignal({ raw }: FastifyReply): AbortSignal {
  const gone = new AbortController();
  raw.once('close', () => {
    if (!raw.writableFinished) gone.abort();
  });
  return gone.signal;
}

/** How it ended can only be told after the bytes, in a trailer (RFC 9110, 6.5). */
function sendBytes(reply: FastifyReply, { chunks, size }: Bytes, failed: Failed): FastifyReply {
  let failure: ControlFailure | null = null;
  async function* all(): AsyncGenerator<Buffer> {
    try {
      yield* chunks;
    } catch (error) {
      failure = failed(error);
    }
  }
  if (size !== undefined) reply.header(SIZE, size);
  return reply
    .type(BYTES)
    .trailer(OUTCOME, () => Promise.resolve(encodeURIComponent(JSON.stringify(failure))))
    .send(Readable.from(all(), { objectMode: false }));
}

function sendLines(reply: FastifyReply, values: AsyncIterable<unknown>, failed: Failed): FastifyReply {
  return reply.type('application/x-ndjson').send(Readable.from(lines(values, failed)));
}

/** A failure after the first line can only be told in a line of its own. */
async function* lines(values: AsyncIterable<unknown>, failed: Failed): AsyncGenerator<string> {
  try {
    for await (const value of values) yield `${JSON.stringify(value)}\n`;
  } catch (error) {
    yield `${JSON.stringify({ failure: failed(error) })}\n`;
  }
}

function failureOf(error: unknown): ControlFailure {
  if (error instanceof CasError) {
    return failureWith({
      code: error.code,
      errno: error.errno,
      message: error.message,
      subject: error.subject ?? null,
      expected: error.expected === undefined ? null : String(error.expected),
      found: error.found === undefined ? null : String(error.found),
    });
  }
  const { code, syscall, message, validation } = error as NodeJS.ErrnoException & Partial<FastifyError>;
  if (validation) return failureWith({ code: 'REQUEST_INVALID', message });
  if (syscall !== undefined) return failureWith({ code: 'SYSTEM', errno: code ?? null, message });
  return failureWith({ code: 'INTERNAL', message });
}

function failureWith(
  known: Partial<ControlFailure> & Pick<ControlFailure, 'code' | 'message'>,
): ControlFailure {
  return { errno: null, subject: null, expected: null, found: null, ...known };
}

function isIterable(value: unknown): value is AsyncIterable<unknown> {
  return typeof value === 'object' && value !== null && Symbol.asyncIterator in value;
}
