import path from 'node:path';
import type { ImageStatus } from '../../store/images/image-status.js';
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

/** A line of `GET /v1/layers`, and what a registration ends with. */
export interface LayerLine {
  readonly chain: string;
  readonly diff: string;
  readonly parent: string | null;
  /** Layers of the chain, this one included. */
  readonly depth: number;
  /** Bytes of its tar. */
  readonly size: number;
  /** Entries of its tar. */
  readonly entries: number;
  readonly holders: readonly string[];
  /** ISO 8601. */
  readonly created: string;
}

/** What `GET /v1/layer` answers. */
export interface LayerDetail extends LayerLine {
  /** Bytes of all tars of the chain. */
  readonly chainSize: number;
  /** The layers below, the lowest first. */
  readonly parents: readonly Pick<LayerLine, 'chain' | 'diff' | 'size' | 'entries'>[];
  /** The stacks that have it, at their tops or below. */
  readonly stacks: readonly string[];
}

/** A line of a registration that is under way. Sizes are bytes of the source as it is given, compressed or not. */
export interface RegistrationLine {
  readonly progress: { readonly bytes: number; readonly total: number | null; readonly entries: number };
}

/** The last line of a registration. */
export interface RegisteredLine {
  readonly layer: LayerLine;
}

/** The last line of an import. */
export interface ImportedLine {
  readonly images: readonly { readonly name: string | null; readonly digest: string }[];
}

/** The last line of an export that the daemon writes to a file. */
export interface ExportedLine {
  /** Bytes of the archive. */
  readonly exported: { readonly size: number };
}

/** Layers that went since nobody holds them any more, from the top down. Sizes are bytes of tars. */
export interface Removed {
  readonly removed: readonly { readonly chain: string; readonly diff: string; readonly size: number }[];
}

/** A line of `GET /v1/stacks`. */
export interface StackLine {
  readonly name: string;
  readonly top: string | null;
  readonly depth: number;
  /** Bytes of all its tars. */
  readonly size: number;
}

/** A line of `GET /v1/images`. */
export interface ImageLine {
  readonly name: string;
  /** Of the entry of index.json. */
  readonly digest: string;
  readonly platform: string | null;
  /** Bytes of its manifest, config and layers; null where they are not known. */
  readonly size: number | null;
  readonly state: ImageStatus['state'];
}

/** What `GET /v1/image` answers. */
export interface ImageDetail extends ImageStatus {
  readonly size: number | null;
  /** The platforms that an index has it for. */
  readonly platforms: readonly string[];
  /** Its layers, the lowest first. */
  readonly parts: readonly {
    readonly blob: string;
    readonly size: number;
    readonly diff: string | null;
    readonly chain: string | null;
    readonly registered: boolean;
  }[];
}

/** The media type of bytes, in requests and answers. */
export const BYTES = 'application/octet-stream';

/**
 * The trailer that ends an answer of bytes: a {@link ControlFailure} or null as JSON, encoded as a component of a URI.
 * Without it the answer is not whole.
 */
export const OUTCOME = 'cas-outcome';

/** The header of an answer of bytes that tells how many they are, where that is known. */
export const SIZE = 'cas-size';

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
