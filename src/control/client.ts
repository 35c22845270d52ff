import http from 'node:http';
import { pipeline, type Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { linesOf } from '../../store/lines.js';
import { TOOL_EXIT, Failure } from '../failure.js';
import { BYTES, type ControlFailure, controlSocket, OUTCOME, SIZE } from './protocol.js';
import type { Route } from './route.js';
import { withinSocketLimit } from './socket-path.js';

/** What is sent beside the URL. */
export interface Sending {
  readonly method: Route['method'];
  readonly body?: Readable | undefined;
}

/** Speaks to the daemon that serves a store. */
export class ControlClient {
  readonly #root: string;

  /** `root` is the store. */
  constructor(root: string) {
    this.#root = root;
  }

  /**
   * Sends a request that is answered with one JSON value.
   * @throws Failure when no daemon answers, or with what it says
   */
  get(url: string): Promise<unknown> {
    return this.ask('GET', url);
  }

  /** The same by any method. */
  async ask(method: Route['method'], url: string): Promise<unknown> {
    return JSON.parse(await text(await this.#send(url, { method })));
  }

  /** Sends a request that is answered with one JSON value per line. */
  async *lines(url: string, sending: Sending = { method: 'GET' }): AsyncGenerator {
    const response = await this.#send(url, sending);
    try {
      for await (const line of linesOf(response as AsyncIterable<Buffer>)) {
        const value = JSON.parse(line) as { failure?: ControlFailure };
        if (value.failure) throw failed(value.failure);
        yield value;
      }
    } catch (error) {
      throw error instanceof Failure ? error : this.#cutShort(error);
    } finally {
      // After a failure nobody reads the rest.
      sending.body?.destroy();
    }
  }

  /**
   * Sends a request that is answered with bytes. They are good only if no error came.
   * @param onSize is told how many they are, where that is known
   */
  async *bytes(url: string, onSize?: (size: number) => void): AsyncGenerator<Buffer> {
    const response = await this.#send(url, { method: 'GET' });
    try {
      const size = response.headers[SIZE];
      if (typeof size === 'string') onSize?.(Number(size));
      for await (const chunk of response) yield chunk as Buffer;
    } catch (error) {
      throw this.#cutShort(error);
    }
    const outcome = response.trailers[OUTCOME];
    if (outcome === undefined) throw this.#cutShort();
    const failure = JSON.parse(decodeURIComponent(outcome)) as ControlFailure | null;
    if (failure !== null) throw failed(failure);
  }

  async #send(url: string, sending: Sending): Promise<http.IncomingMessage> {
    const response = await withinSocketLimit(controlSocket(this.#root), (socketPath) =>
      request(socketPath, url, sending),
    ).catch((error: unknown) => {
      throw explain(error, this.#root);
    });
    if (response.statusCode === 200) return response;
    throw failed(JSON.parse(await text(response)) as ControlFailure);
  }

  #cutShort(cause?: unknown): Failure {
    return new Failure(
      TOOL_EXIT.failure,
      `${this.#root}: the daemon ended in the middle of its answer`,
      cause,
    );
  }
}

function request(socketPath: string, url: string, { method, body }: Sending): Promise<http.IncomingMessage> {
  return new Promise((resolve, reject) => {
    const sent = http.request({ socketPath, method, path: url }, resolve).on('error', reject);
    if (body === undefined) {
      sent.end();
      return;
    }
    sent.setHeader('Content-Type', BYTES);
    // An answer that comes before the end of the body tells more than that nobody reads it any more.
    pipeline(body, sent, (error) => error && reject(error));
  });
}

function failed(failure: ControlFailure): Failure {
  const { code, message } = failure;
  return new Failure(code === 'REQUEST_INVALID' ? TOOL_EXIT.usage : TOOL_EXIT.failure, message, failure);
}

function explain(error: unknown, root: string): unknown {
  switch ((error as NodeJS.ErrnoException).code) {
    case 'ENOENT':
    case 'ENOTDIR':
    case 'ECONNREFUSED':
      return new Failure(
        TOOL_EXIT.failure,
        `${root}: no cas-mount serves this store; start one with cas-mount ${root} MOUNTPOINT`,
      );
    case 'EACCES':
    case 'EPERM':
      return new Failure(TOOL_EXIT.failure, `${root}: only the user who mounted this store may control it`);
    default:
      return error;
  }
}
