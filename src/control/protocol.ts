import path from 'node:path';
import type { StatusJson } from '../../store/ingest/status-json.js';
import type { OperationTable } from '../statistics.js';

/** What `GET /v1/status` answers, `cas status` prints and `.cas/stats` holds. Keys are stable. */
export interface Status {
  readonly version: string;
  readonly pid: number;
  /** ISO 8601. */
  readonly started: string;
  readonly mountpoint: string;
  readonly transport: string;
  readonly passthrough: boolean;
  readonly store: { readonly path: string; readonly format: number; readonly sync: string };
  /** What the kernel remembers, what is open, and what is under way. */
  readonly counts: {
    readonly inodes: number;
    readonly files: number;
    readonly directories: number;
    readonly pending: number;
  };
  /** Bytes. */
  readonly memory: { readonly rss: number; readonly heap: number; readonly external: number };
  readonly defects: number;
  readonly operations: OperationTable;
}

/** A line of `GET /v1/blobs`. */
export interface BlobLine {
  readonly digest: string;
  readonly size: number;
  /** ISO 8601. */
  readonly committed: string;
}

/** A line of `GET /v1/ingests`. */
export type IngestLine = StatusJson;

/** How every failed request is answered. */
export interface ControlFailure {
  readonly code: string;
  readonly errno: string | null;
  readonly message: string;
  readonly subject: string | null;
  readonly expected: string | null;
  readonly found: string | null;
}

/** The control socket of the store at `root`. */
export function controlSocket(root: string): string {
  return path.join(root, 'cas.sock');
}
