import fs from 'node:fs';
import test, { type ExecutionContext } from 'ava';
import { seededBytes } from '../helpers/bytes.js';
import { digestsOfFiles } from '../helpers/digests.js';
import { temporaryDirectory } from '../helpers/temporary.js';
import type { Algorithm, Digest } from '../../store/digest.js';
import { blobRules } from './blob-rules.js';
import { commitRules } from './commit-rules.js';
import type { PathOperations } from './path-operations.js';
import { raceRules } from './race-rules.js';
import { resumeRules } from './resume-rules.js';
import type { Subject } from './subject.js';
import { treeBlobRules } from './tree-blob-rules.js';
import { treeIngestRules } from './tree-ingest-rules.js';
import { treeNameRules } from './tree-name-rules.js';
import { writingRules } from './writing-rules.js';

/** What a rule is checked with. */
export interface Case<S> {
  readonly t: ExecutionContext;
  readonly subject: S;
  /** Whether flags of renameat2(2) reach the subject; where they do not, the system refuses what it cannot decide. */
  readonly renameFlags: boolean;
  /** A ref that no other case uses. */
  readonly ref: () => string;
  /** Bytes that no other case uses. */
  readonly bytes: (size: number) => Buffer;
  /** The digests of buffers, as an independent tool computes them. */
  readonly digests: (contents: readonly Uint8Array[], algorithm?: Algorithm) => Promise<Digest[]>;
  readonly digest: (content: Uint8Array, algorithm?: Algorithm) => Promise<Digest>;
  /** Asserts that `found` is `expected`, byte by byte. */
  readonly same: (found: Buffer, expected: Uint8Array | undefined, message?: string) => void;
}

/** Rules by the sentence that each one checks. */
export type Rules<S> = Readonly<Record<string, (check: Case<S>) => Promise<void>>>;

/** Where a suite gets its subject. */
export interface SuiteOptions<S> {
  /** Begins each test title. */
  readonly name: string;
  /** A subject for one test. Several may share a store: no rule uses a ref or content of another. */
  readonly open: (t: ExecutionContext) => Promise<S> | S;
  /** One test at a time, as where restarting the subject of one disturbs the others. */
  readonly serial?: boolean;
  /** See {@link Case.renameFlags}. Default true. */
  readonly renameFlags?: boolean;
}

/** What any store must do that keeps ingests and turns them into blobs. */
export function contractSuite(options: SuiteOptions<Subject>): void {
  register(options, { ...writingRules, ...resumeRules, ...commitRules, ...blobRules, ...raceRules });
}

/** What any mounted tree must answer to system calls. */
export function treeSuite(options: SuiteOptions<PathOperations>): void {
  register(options, { ...treeIngestRules, ...treeNameRules, ...treeBlobRules });
}

let used = 0;

function register<S>(options: SuiteOptions<S>, rules: Rules<S>): void {
  const { name, open, serial = false, renameFlags = true } = options;
  for (const [title, rule] of Object.entries(rules)) {
    (serial ? test.serial : test)(`${name}: ${title}`, async (t) => {
      t.timeout(180_000);
      await rule(caseFor(t, await open(t), renameFlags));
    });
  }
}

function caseFor<S>(t: ExecutionContext, subject: S, renameFlags: boolean): Case<S> {
  const digests = async (
    contents: readonly Uint8Array[],
    algorithm: Algorithm = 'sha256',
  ): Promise<Digest[]> => {
    const directory = temporaryDirectory(t);
    const paths = contents.map((content, index) => {
      const path = `${directory}/${index}`;
      fs.writeFileSync(path, content);
      return path;
    });
    return digestsOfFiles(algorithm, paths);
  };
  return {
    t,
    subject,
    renameFlags,
    ref: () => `case-${++used}`,
    bytes: (size) => seededBytes(size, ++used),
    digests,
    digest: async (content, algorithm) => only(await digests([content], algorithm)),
    same: (found, expected = Buffer.alloc(0), message = '') => {
      const equal = found.equals(expected);
      t.true(equal, `${message} ${found.length} bytes, not the ${expected.length} expected`);
    },
  };
}

/** The element of a list of one. */
export function only<T>(list: readonly T[]): T {
  const [first] = list;
  if (first === undefined || list.length !== 1) throw new Error(`${list.length} elements, not one`);
  return first;
}
