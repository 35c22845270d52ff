import fs from 'node:fs';
import { algorithmOf, ALGORITHMS, hexOf } from '../store/digest.js';
import { INDEX_JSON, OCI_LAYOUT } from '../store/images/index-file.js';
import type { Ingest } from '../store/ingest/ingest.js';
import { isKey } from '../store/ingest/shared-directories.js';
import { nameIn, parentOf } from '../store/ref.js';
import type { Store } from '../store/store.js';
import { AlsDirectory } from './als/als-directory.js';
import { AlsNodes } from './als/als-nodes.js';
import { BlobDirectory } from './blob-directory.js';
import { BlobsDirectory } from './blobs-directory.js';
import { nowNs } from './attr.js';
import type { StatFs } from './answers.js';
import { FileSystem } from './filesystem.js';
import { FixedDirectory } from './fixed-directory.js';
import { IngestDirectory } from './ingest-directory.js';
import { IngestFile } from './ingest-file.js';
import { ingestStatus } from './ingest-status.js';
import { ImageNodes } from './images/image-nodes.js';
import { imageStatusSource } from './images/image-status-source.js';
import { ImagesDirectory } from './images/images-directory.js';
import { IndexEntry } from './layout/index-entry.js';
import type { LayoutEntry } from './layout/layout-entry.js';
import { LayoutVersion } from './layout/layout-version.js';
import { nameOf, type Name, type Node } from './node.js';
import { RootDirectory } from './root-directory.js';
import { statusDirectory } from './status-directory.js';
import { SharedDirectory } from './shared-directory.js';
import { StacksDirectory } from './stacks/stacks-directory.js';
import { LayerDirectory } from './view/layer-directory.js';
import { Views } from './view/view.js';
import { VirtualFile } from './virtual-file.js';

/** How the tree is shown. */
export interface TreeOptions {
  /** Who owns what has no owner of its own. Default: who runs the daemon. */
  readonly uid?: number;
  readonly gid?: number;
  /** Permissions that directories are shown without. Default 022. */
  readonly umask?: number;
  /** Shows the tar of each layer under its DiffID in `blobs/sha256/`, too. Default: not. */
  readonly layerBlobs?: boolean;
  /** The text of `.cas/version`. */
  readonly version: string;
  /** What `.cas/stats` shows, as JSON. */
  readonly stats: () => object;
}

/** What the nodes of one mounted tree share. */
export interface TreeContext {
  readonly store: Store;
  readonly views: Views;
  readonly owner: { readonly uid: number; readonly gid: number };
  readonly umask: number;
  readonly layerBlobs: boolean;
  /** The node of an ingest: the same one as long as the ingest lives. */
  fileOf(ingest: Ingest): IngestFile;
  /** The node of a directory of ingests: the same one as long as the mount lives. */
  directoryOf(path: string): IngestDirectory;
  /** Tells that a directory of ingests is gone. */
  directoryGone(path: string): void;
  /** Tells that a directory of ingests has another path: its node, which the kernel keeps, goes with it. */
  directoryMoved(from: string, to: string): void;
}

/** What is mounted of a store. */
export interface Tree {
  /** All of it. */
  readonly filesystem: FileSystem;
  /** `layers/` alone: what never changes, for a mount that the kernel may keep in its caches and open by itself. */
  readonly layers: FileSystem;
  readonly views: Views;
}

/**
 * Builds the mounted tree of a store: `ingest/`, `blobs/`, `layers/`, `stacks/`, `images/`, `.cas/`, the two files of an
 * OCI image layout, and ingests beside them.
 */
export function mountTree(store: Store, options: TreeOptions): Tree {
  const context = createContext(store, options);
  const { owner, views } = context;
  const { unpacked } = store;
  const blobs = Object.fromEntries(ALGORITHMS.map((alg) => [alg, new BlobDirectory(context, alg)]));
  const als = new AlsNodes(store, views, owner, (digest) =>
    blobs[algorithmOf(digest)]?.lookup(nameOf(hexOf(digest))),
  );
  const about = new FixedDirectory('/.cas', 0o555, owner, {
    version: new VirtualFile('/.cas/version', owner, () => `${options.version}\n`),
    stats: new VirtualFile('/.cas/stats', owner, () => `${JSON.stringify(options.stats(), null, 2)}\n`),
    status: statusDirectory(ingestStatus(store), owner, '/.cas/status', ''),
    'status-root': statusDirectory(ingestStatus(store), owner, '/.cas/status-root', '/'),
    images: statusDirectory(imageStatusSource(unpacked), owner, '/.cas/images', ''),
    als: new AlsDirectory(als),
  });
  const chains = new LayerDirectory('/layers/sha256', views, owner, (chain, signal) =>
    unpacked.bring(chain, signal),
  );
  const layers = new FixedDirectory('/layers', 0o555, owner, { sha256: chains });
  const children = new Map<Name, Node>([
    [nameOf('ingest'), context.directoryOf('')],
    [nameOf('blobs'), new BlobsDirectory(context, blobs)],
    [nameOf('layers'), layers],
    [nameOf('images'), new ImagesDirectory(new ImageNodes(unpacked, owner, nowNs(), () => views.onLook()))],
    [nameOf('stacks'), new StacksDirectory(context)],
    [nameOf('.cas'), about],
  ]);
  const layout = new Map<Name, LayoutEntry>([
    [nameOf(OCI_LAYOUT), new LayoutVersion(context)],
    [nameOf(INDEX_JSON), new IndexEntry(context)],
  ]);
  const root = new RootDirectory(context, children, layout);
  const filesystem = new FileSystem(root, () => statfs(store.root), views);
  const tree = { filesystem, layers: new FileSystem(layers, () => statfs(store.root), views), views };
  store.ingests.onDirectoryExpired = (path) => {
    const parent = parentOf(path);
    context.directoryGone(path);
    tree.filesystem.forgetName(parent === '/' ? root : context.directoryOf(parent), nameOf(nameIn(path)));
  };
  store.layers.onChange((layer) => {
    const names = chains.changed(layer);
    for (const shown of [tree.filesystem, tree.layers]) {
      for (const name of names) shown.forgetName(chains, name);
      shown.forgetContent(chains);
    }
    for (const node of als.of(layer)) tree.filesystem.forgetName(node, nameOf('diff'));
  });
  return tree;
}

function createContext(store: Store, options: TreeOptions): TreeContext {
  const files = new WeakMap<Ingest, IngestFile>();
  const directories = new Map<string, IngestDirectory>();
  const owner = { uid: options.uid ?? process.getuid?.() ?? 0, gid: options.gid ?? process.getgid?.() ?? 0 };
  const context: TreeContext = {
    store,
    views: new Views(store.layers, owner),
    owner,
    umask: options.umask ?? 0o022,
    layerBlobs: options.layerBlobs ?? false,
    fileOf: (ingest) => {
      const file = files.get(ingest) ?? new IngestFile(ingest);
      files.set(ingest, file);
      return file;
    },
    directoryOf: (path) => {
      const directory = directories.get(path) ?? directoryAt(context, path);
      directories.set(path, directory);
      return directory;
    },
    directoryGone: (path) => directories.delete(path),
    directoryMoved: (from, to) => {
      for (const [path, directory] of [...directories]) {
        if (path !== from && !path.startsWith(`${from}/`)) continue;
        directories.delete(path);
        const moved = to + path.slice(from.length);
        directory.moved(moved);
        directories.set(moved, directory);
      }
    },
  };
  return context;
}

function directoryAt(context: TreeContext, path: string): IngestDirectory {
  return isKey(path) ? new SharedDirectory(context, path) : new IngestDirectory(context, path);
}

/** The free space is that of the disk below, as far as the daemon may use it. */
async function statfs(root: string): Promise<StatFs> {
  const { bsize, blocks, bfree, bavail, files, ffree } = await fs.promises.statfs(root);
  return { bsize, blocks, bfree, bavail, files, ffree };
}
