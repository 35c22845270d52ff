import http from 'node:http';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { TOOL_EXIT, Failure } from '../failure.js';
import { type ControlFailure, controlSocket } from './protocol.js';
import { withinSocketLimit } from './socket-path.js';

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
  async get(url: string): Promise<unknown> {
    return JSON.parse(await text(await this.#send('GET', url)));
  }

  /** Sends a request that is answered with one JSON value per line. */
  async *lines(url: string): AsyncGenerator {
    const response = await this.#send('GET', url);
    try {
      for await (const line of createInterface({ input: response })) {
        const value = JSON.parse(line) as { failure?: ControlFailure };
        if (value.failure) throw failed(value.failure);
        yield value;
      }
    } catch (error) {
      if (error instanceof Failure) throw error;
      throw new Failure(
        TOOL_EXIT.failure,
        `${this.#root}: the daemon ended in the middle of its answer`,
        error,
      );
    }
  }

  async #send(method: string, url: string): Promise<http.IncomingMessage> {
    const response = await withinSocketLimit(controlSocket(this.#root), (socketPath) =>
      request(socketPath, method, url),
    ).catch((error: unknown) => {
      throw explain(error, this.#root);
    });
    if (response.statusCode === 200) return response;
    throw failed(JSON.parse(await text(response)) as ControlFailure);
  }
}

function request(socketPath: string, method: string, url: string): Promise<http.IncomingMessage> {
  return new Promise((resolve, reject) => {
    http.request({ socketPath, method, path: url }, resolve).on('error', reject).end();
  });
}

function failed({ code, message }: ControlFailure): Failure {
  return new Failure(code === 'REQUEST_INVALID' ? TOOL_EXIT.usage : TOOL_EXIT.failure, message);
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
