import { chmod, mkdir, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { Readable } from 'node:stream';
import { fastify, type FastifyError, type FastifyInstance, type FastifyReply } from 'fastify';
import { CasError } from '../../store/errors.js';
import { errorFields, type Log } from '../log.js';
import { type ControlFailure, controlSocket } from './protocol.js';
import type { Control, Route } from './routes.js';
import { withinSocketLimit } from './socket-path.js';

/** The open control socket. */
export interface ControlServer {
  close(): Promise<void>;
}

/**
 * Opens the control socket of a store, in place of one that a killed daemon left behind. It is bound in a directory
 * that only its owner can enter and moved when its mode is right, so at no moment can anybody else connect.
 */
export async function openControl(
  control: Control,
  routes: readonly Route[],
  log: Log,
): Promise<ControlServer> {
  const app = controlApp(control, routes, log);
  const socket = controlSocket(control.store.root);
  const directory = `${socket}.new`;
  try {
    await rm(directory, { recursive: true, force: true });
    await mkdir(directory, { mode: 0o700 });
    const bound = path.join(directory, 's');
    await withinSocketLimit(bound, (short) => app.listen({ path: short }));
    await chmod(bound, 0o600);
    await rename(bound, socket);
  } catch (error) {
    await app.close();
    throw error;
  } finally {
    await rm(directory, { recursive: true, force: true });
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
  app.setErrorHandler((error: FastifyError, request, reply) => {
    const failure = failureOf(error);
    if (failure.code === 'INTERNAL')
      log.error({ ...errorFields(error), stack: error.stack, url: request.url }, 'control request failed');
    return reply
      .code(error.validation ? 400 : error instanceof CasError ? 409 : (error.statusCode ?? 500))
      .send(failure);
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
      handler: (request, reply) => {
        const answer = handle(control, request.query as Record<string, string | undefined>);
        return isIterable(answer) ? sendLines(reply, answer) : reply.send(answer);
      },
    });
  }
  return app;
}

function sendLines(reply: FastifyReply, values: AsyncIterable<unknown>): FastifyReply {
  return reply.type('application/x-ndjson').send(Readable.from(lines(values)));
}

/** A failure after the first line can only be told in a line of its own. */
async function* lines(values: AsyncIterable<unknown>): AsyncGenerator<string> {
  try {
    for await (const value of values) yield `${JSON.stringify(value)}\n`;
  } catch (error) {
    yield `${JSON.stringify({ failure: failureOf(error) })}\n`;
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
