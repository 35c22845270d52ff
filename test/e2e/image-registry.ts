import fs from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';

/** A registry on loopback that has one image, under any name and tag, and only to be pulled. */
export interface ImageRegistry {
  /** Such as `127.0.0.1:5000`. */
  readonly host: string;
  /** The digests of the blobs that were asked for. */
  readonly asked: string[];
  close(): void;
}

interface Index {
  readonly manifests: readonly { readonly digest: string; readonly mediaType: string }[];
}

/** Serves the first image of an OCI image layout; distribution-spec, "Pull". */
export async function serveImage(layout: string): Promise<ImageRegistry> {
  const index = JSON.parse(fs.readFileSync(join(layout, 'index.json'), 'utf8')) as Index;
  const asked: string[] = [];
  const server = createServer((request, response) => {
    const [, kind, name = ''] = /^\/v2\/.*\/(manifests|blobs)\/([^/]+)$/.exec(request.url ?? '') ?? [];
    const digest = kind === 'manifests' ? index.manifests[0]?.digest : name;
    if (kind === undefined || digest === undefined) {
      response.end();
      return;
    }
    if (kind === 'blobs') asked.push(digest);
    const bytes = fs.readFileSync(join(layout, 'blobs', digest.replace(':', '/')));
    response.setHeader('docker-content-digest', digest);
    response.setHeader('content-length', bytes.length);
    if (kind === 'manifests') response.setHeader('content-type', index.manifests[0]?.mediaType ?? '');
    response.end(request.method === 'HEAD' ? undefined : bytes);
  });
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  const { port } = server.address() as AddressInfo;
  return { host: `127.0.0.1:${port}`, asked, close: () => server.close() };
}
