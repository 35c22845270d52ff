import { once } from 'node:events';
import fs from 'node:fs';
import http from 'node:http';
import type { AddressInfo } from 'node:net';

/** A web server on the loopback with one file. */
export interface WebServer {
  readonly url: string;
  /** The Range header of each request so far. */
  readonly ranges: readonly (string | undefined)[];
  /** The next answer breaks off after that many bytes. */
  breakAt(bytes: number): void;
  close(): void;
}

/** Serves a file, whole or from an offset on (`Range: bytes=N-`). */
export async function serveFile(path: string): Promise<WebServer> {
  const content = fs.readFileSync(path);
  const ranges: (string | undefined)[] = [];
  let limit = Infinity;
  const server = http.createServer(({ headers: { range } }, response) => {
    ranges.push(range);
    const from = Number(/^bytes=(\d+)-$/.exec(range ?? '')?.[1] ?? 0);
    const total = content.length;
    response.writeHead(range === undefined ? 200 : 206, {
      'content-length': total - from,
      ...(range !== undefined && { 'content-range': `bytes ${from}-${total - 1}/${total}` }),
    });
    if (total - from <= limit) response.end(content.subarray(from));
    else response.write(content.subarray(from, from + limit), () => response.destroy());
    limit = Infinity;
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/file`,
    ranges,
    breakAt: (bytes) => (limit = bytes),
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}
