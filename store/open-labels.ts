import { join } from 'node:path';
import { BlobLabels } from './blob-labels.js';
import type { Blobs } from './blobs.js';
import { Database } from './metadata/database.js';
import { LABEL_ROWS } from './metadata/label-index.js';
import type { Report } from './report.js';

/** The labels of a store's blobs, with their index in `<root>/meta`. Nothing is read before they are used or started. */
export function openLabels(root: string, blobs: Blobs, report: Report = () => undefined): BlobLabels {
  const database: Database = new Database(join(root, 'meta'), {
    damaged: join(root, 'damaged'),
    contents: LABEL_ROWS,
    rebuild: (write, signal) => labels.rebuild(write, signal),
    report,
  });
  const labels: BlobLabels = new BlobLabels(blobs, database);
  blobs.removing = (digest, unlink) => labels.removing(digest, unlink);
  return labels;
}
