import fs from 'node:fs';
import type { ExecutionContext } from 'ava';
import type { Algorithm } from '../../store/digest.js';
import type { Check, Source } from '../e2e/suite.js';
import { wrongBlobs } from './invariants.js';

/** A commit that was acknowledged. */
interface Committed {
  readonly algorithm: Algorithm;
  readonly hex: string;
}

/** An ingest of which the first `synced` bytes of a source were written and acknowledged by fsync. */
interface Kept {
  readonly src: string;
  readonly hex: string;
  readonly synced: number;
}

/** What a store has acknowledged so far, outside the store, and whether it still has it. */
export class Ledger {
  readonly #committed: Committed[] = [];
  readonly #ingests = new Map<string, Kept>();

  committed({ hex }: Pick<Source, 'hex'>, algorithm: Algorithm = 'sha256'): void {
    this.#committed.push({ algorithm, hex });
  }

  synced(ref: string, { src, hex }: Source, synced: number): void {
    this.#ingests.set(ref, { src, hex, synced });
  }

  /** Checks the files of a store that nobody serves: all that is named is right, and all acknowledged is there. */
  async checkFiles(t: ExecutionContext, store: string, when: string): Promise<void> {
    t.is(await wrongBlobs(store), '', when);
    const lost = this.#committed.filter(
      ({ algorithm, hex }) => !fs.existsSync(`${store}/blobs/${algorithm}/${hex}`),
    );
    t.deepEqual(lost, [], when);
  }

  /** Checks what a mount shows: all acknowledged, byte by byte. */
  async checkMount({ t, mount, sh }: Check, when: string): Promise<void> {
    t.is(await wrongBlobs(mount.mountpoint), '', when);
    for (const [ref, { src, synced }] of this.#ingests) {
      // Two attributes are read one after the other, and hashing goes on meanwhile.
      const script = `
        (( $(stat -c %s "ingest/$ref") >= $synced ))
        cmp -n $synced "ingest/$ref" "$src"
        value() { getfattr --only-values -n "user.cas.$1" "ingest/$ref"; }
        offset=-1
        while digest=$(value digest); [[ $(value offset) != $offset ]]; do offset=$(value offset); done
        is "$digest" "sha256:$(head -c $offset "ingest/$ref" | sha256sum | head -c 64)"`;
      await sh(script, { ref, src, synced: `${synced}` });
    }
  }

  /** Goes on with one ingest to its end, as a careful client would: what is not its source's is written again. */
  async resume({ sh }: Check): Promise<void> {
    for (const [ref, { src, hex, synced }] of this.#ingests) {
      const script = `
        size=$(stat -c %s "ingest/$ref")
        if ! cmp -n $size "ingest/$ref" "$src" 2> /dev/null; then truncate -s $synced "ingest/$ref"; fi
        tail -c +$(( $(stat -c %s "ingest/$ref") + 1 )) "$src" >> "ingest/$ref"
        mv "ingest/$ref" "blobs/sha256/$hex"`;
      await sh(script, { ref, src, hex, synced: `${synced}` });
      this.#ingests.delete(ref);
      this.committed({ hex });
      return;
    }
  }
}
