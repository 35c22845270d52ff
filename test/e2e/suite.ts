import fs from 'node:fs';
import test, { type ExecutionContext } from 'ava';
import { hexOf } from '../../store/digest.js';
import { seededBytes } from '../helpers/bytes.js';
import { digestOfFile } from '../helpers/digests.js';
import type { Result } from '../src/process/site.js';
import { Mount, type MountOptions } from './mount.js';
import { type Answers, answersOf, type Variant } from './variants.js';

/** A file outside the mount with bytes of its own, as variables of a script. */
export type Source = Readonly<Record<'src' | 'hex' | 'blob', string>>;

/** What a rule is checked with. */
export interface Check {
  readonly t: ExecutionContext;
  readonly mount: Mount;
  readonly variant: Variant;
  readonly answers: Answers;
  /** Makes a file of new bytes outside the mount. */
  readonly source: (size?: number) => Promise<Source>;
  /** Runs a script with `ref`, a name that no other test uses; whatever fails in it fails the test. Its output. */
  readonly sh: (script: string, variables?: NodeJS.ProcessEnv) => Promise<string>;
}

/** Rules by the sentence that each one checks. */
export type Rules = Readonly<Record<string, (check: Check) => Promise<void>>>;

/** The longest that one test may take, in milliseconds. */
const LIMIT = 240_000;

let used = 0;

/** Registers rules for each variant. All rules of a variant share one mount, made when the first one needs it. */
export function suite(variants: readonly Variant[], rules: Rules, options: MountOptions = {}): void {
  for (const variant of variants) {
    let mounting: Promise<Mount> | undefined;
    for (const [title, rule] of Object.entries(rules)) {
      test.serial(`${variant.name}: ${title}`, async (t) => {
        t.timeout(LIMIT);
        mounting ??= Mount.of(variant, options);
        await rule(checkOf(t, await mounting));
      });
    }
    test.serial.after.always(`${variant.name}: unmount`, async (t) => {
      t.timeout(LIMIT);
      const mount = await mounting?.catch(() => undefined);
      const defects = mount?.site.mounted === true ? (await mount.status()).defects : 0;
      await mount?.close();
      t.is(defects, 0, 'defects');
    });
  }
}

/** Registers tests that each mount for themselves. */
export function eachAlone(variants: readonly Variant[], rules: Rules, options: MountOptions = {}): void {
  for (const variant of variants) {
    for (const [title, rule] of Object.entries(rules)) {
      test.serial(`${variant.name}: ${title}`, async (t) => {
        t.timeout(LIMIT);
        const mount = await Mount.of(variant, options);
        t.teardown(() => mount.close());
        await rule(checkOf(t, mount));
      });
    }
  }
}

/** What a rule is checked with, for a mount of the test's own. */
export function checkOf(t: ExecutionContext, mount: Mount): Check {
  const ref = `case-${++used}`;
  return {
    t,
    mount,
    variant: mount.variant,
    answers: answersOf(mount.variant),
    source: async (size = 300_007) => {
      const src = `${mount.scratch}/source-${++used}`;
      fs.writeFileSync(src, seededBytes(size, used), { mode: 0o644 });
      const hex = hexOf(await digestOfFile(src));
      return { src, hex, blob: `blobs/sha256/${hex}` };
    },
    sh: async (script, variables = {}) => {
      const result = await mount.run(script, { ref, ...variables });
      succeeded(t, result);
      return result.stdout;
    },
  };
}

/** Asserts that a program ended well, showing what it said otherwise. */
export function succeeded(t: ExecutionContext, { code, stderr }: Result): void {
  t.is(code, 0, stderr);
}
