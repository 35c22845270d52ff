import { createHash } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { pack } from 'tar-stream';
import { buffer } from 'node:stream/consumers';
import { seededBytes } from '../helpers/bytes.js';

const TYPE = 'application/vnd.oci.image';

/** A layout of so many images, called `0`, `1`, …, each with one layer that holds one file of 20,000 bytes. */
export async function smallImages(layout: string, count: number): Promise<void> {
  fs.mkdirSync(path.join(layout, 'blobs/sha256'), { recursive: true });
  const manifests: object[] = [];
  for (let number = 0; number < count; number++) {
    const layer = put(layout, 'layer.v1.tar', await tarOf(`file-${number}`, seededBytes(20_000, number)));
    const config = put(layout, 'config.v1+json', {
      architecture: 'amd64',
      os: 'linux',
      config: {},
      rootfs: { type: 'layers', diff_ids: [layer.digest] },
    });
    const mediaType = `${TYPE}.manifest.v1+json`;
    const manifest = put(layout, 'manifest.v1+json', {
      schemaVersion: 2,
      mediaType,
      config,
      layers: [layer],
    });
    manifests.push({ ...manifest, annotations: { 'org.opencontainers.image.ref.name': `${number}` } });
  }
  emptyLayout(layout, manifests);
}

/** Makes a directory an OCI image layout, without images or with these. */
export function emptyLayout(layout: string, manifests: readonly object[] = []): void {
  fs.mkdirSync(layout, { recursive: true });
  fs.writeFileSync(path.join(layout, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}');
  fs.writeFileSync(path.join(layout, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests }));
}

function put(
  layout: string,
  kind: string,
  content: Buffer | object,
): { mediaType: string; digest: string; size: number } {
  const bytes = Buffer.isBuffer(content) ? content : Buffer.from(JSON.stringify(content));
  const hex = createHash('sha256').update(bytes).digest('hex');
  fs.writeFileSync(path.join(layout, 'blobs/sha256', hex), bytes);
  return { mediaType: `${TYPE}.${kind}`, digest: `sha256:${hex}`, size: bytes.length };
}

function tarOf(name: string, content: Uint8Array): Promise<Buffer> {
  const tar = pack();
  tar.entry({ name }, Buffer.from(content));
  tar.finalize();
  return buffer(tar);
}
