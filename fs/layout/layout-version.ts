import { CasError } from '../../store/errors.js';
import { LAYOUT_TEXT, OCI_LAYOUT } from '../../store/images/index-file.js';
import { isPlainObject } from '../../store/is-plain-object.js';
import type { Named } from '../../store/ingest/ingests.js';
import type { Caller, Created, OpenFlags } from '../node.js';
import type { TreeContext } from '../tree.js';
import type { LayoutEntry } from './layout-entry.js';
import { receiveText } from './received-text.js';
import { TextFile } from './text-file.js';

/** The most that tools write into it, with room to spare. */
const LIMIT = 4096;

/** `oci-layout`: always the same text, which may be written again. Any other version is refused. */
export class LayoutVersion implements LayoutEntry {
  readonly #context: TreeContext;
  #refusal: string | undefined;
  #node: TextFile | undefined;

  constructor(context: TreeContext) {
    this.#context = context;
  }

  node(): TextFile {
    const { owner, umask } = this.#context;
    this.#node ??= new TextFile({
      path: `/${OCI_LAYOUT}`,
      owner,
      permissions: 0o666 & ~umask,
      bytes: TEXT,
      writtenAt: MADE,
      version: 0,
      limit: LIMIT,
      refusal: () => this.#refusal,
      opened: () => undefined,
      writing: () => (bytes) => this.#check(bytes),
    });
    return this.#node;
  }

  create(flags: OpenFlags, caller: Caller): Created {
    const node = this.node();
    return { node, handle: node.open(flags, caller) };
  }

  receive(named: Named): Promise<void> {
    return receiveText(this.#context.store.ingests, named, LIMIT, (bytes) => this.#check(bytes));
  }

  #check(bytes: Buffer): void {
    this.#refusal = undefined;
    if (versionIn(bytes) === VERSION) return;
    const error = new CasError('LAYOUT_INVALID', {
      subject: OCI_LAYOUT,
      expected: LAYOUT_TEXT,
      found: JSON.stringify(bytes.toString('latin1', 0, 100)),
    });
    this.#refusal = error.message;
    throw error;
  }
}

/** Its time, the same for the whole run. */
const MADE = new Date();

const TEXT = Buffer.from(LAYOUT_TEXT);
const VERSION = versionIn(TEXT);

function versionIn(bytes: Buffer): unknown {
  try {
    const value: unknown = JSON.parse(bytes.toString('utf8'));
    return isPlainObject(value) ? value['imageLayoutVersion'] : undefined;
  } catch {
    return undefined;
  }
}
