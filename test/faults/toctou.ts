import { type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import { until } from '../src/process/site.js';
import { sourceOf } from './compile.js';
import type { Faulty } from './faulty.js';
import type { Random } from './form.js';
import { program } from './program.js';
import { acknowledgedIn } from './verify.js';

const PARTS = ['holds', 'descriptors', 'memory', 'names', 'ring'];

/** All attacks, as the tables of toctou-*.c have them. */
export const ATTACKS: readonly string[] = PARTS.flatMap((part) => {
  const source = fs.readFileSync(sourceOf(`toctou-${part}.c`), 'utf8');
  return [...source.matchAll(/\{ \.name = "([a-z-]+)"/g)].map(([, name = '']) => name);
});

/** What the file is called while it is written: an ingest, or as umoci, oras and containers/image call theirs. */
export const PLACES = ['ingest/f', 'oci-put-blob', '.umoci-d/f', 'blobs/sha256/.tmp-'] as const;

/** How it is committed; see toctou.c. */
export const WAYS = ['rename', 'noreplace', 'link', 'link-open', 'close'] as const;
export const NAMES = ['known', 'read', 'told'] as const;

/** How long, in milliseconds, a call may take, a killed daemon's time to end included, before it is taken to hang. */
const LONGEST = 20_000;

/** A file that is attacked while it is committed. */
export interface Attacked {
  readonly attacks: readonly string[];
  readonly place: (typeof PLACES)[number];
  readonly way: (typeof WAYS)[number];
  readonly naming: (typeof NAMES)[number];
  /** The descriptor that wrote it is closed before. */
  readonly closed: boolean;
}

/** What came of it. */
export interface Outcome {
  readonly title: string;
  /** Attacks that could not begin, each with its errno. */
  readonly refused: readonly string[];
  /** Whether it was committed while it was attacked. */
  readonly committed: boolean;
  /** How many attacks succeeded before and after the commit. */
  readonly accepted: readonly [before: number, after: number];
}

let used = 0;

/** toctou.c as it runs: it has hold of the file, and waits for {@link Attacker.go}. */
export class Attacker {
  readonly #faulty: Faulty;
  readonly #child: ChildProcess;
  readonly #ended: Promise<unknown[]>;
  readonly #title: string;
  #said = '';

  private constructor(faulty: Faulty, child: ChildProcess, title: string) {
    this.#faulty = faulty;
    this.#child = child;
    this.#ended = once(child, 'close');
    this.#title = title;
    child.stdout?.setEncoding('utf8').on('data', (text: string) => (this.#said += text));
  }

  /** Tries to commit for so many `milliseconds`. */
  static async of(
    faulty: Faulty,
    random: Random,
    attacked: Attacked,
    milliseconds = 4000,
  ): Promise<Attacker> {
    const { attacks, place, way, naming, closed } = attacked;
    const toctou = await program('toctou', '-pthread', ...PARTS.map((part) => sourceOf(`toctou-${part}.c`)));
    const variables = await faulty.case(random.size(20_000, 3_000_000));
    const path = way === 'close' ? (variables['blob'] ?? '') : `${place}${++used}`;
    const keeps = way === 'close' || way === 'link-open' || !closed;
    const script = `mkdir -p .umoci-d; exec "$toctou" "$mountpoint/$path" "$mountpoint/blobs/sha256" "$src" "$hex" $args`;
    const args = [way, naming, keeps ? 'keep' : 'close', `${milliseconds}`, ...attacks].join(' ');
    const child = faulty.mount.start(script, { ...variables, toctou, path, args });
    faulty.t.teardown(() => child.kill('SIGKILL'));
    const attacker = new Attacker(faulty, child, `${path} ${args}`);
    await until(
      `all have hold of ${path}`,
      () => attacker.#lines.includes('open') || child.exitCode !== null,
    );
    return attacker;
  }

  go(): void {
    this.#child.stdin?.write('go\n');
  }

  /** Waits for its end. Asserts that the blob was never wrong and no call took long; what was acknowledged is noted. */
  async end(): Promise<Outcome> {
    const { t, mount } = this.#faulty;
    const [code, signal] = await this.#ended;
    const lines = this.#lines;
    t.is(code ?? signal, 0, `${this.#title}: ${this.#said}`);
    const acked = lines
      .filter((line) => line.startsWith('acked '))
      .map((line) => line.slice('acked '.length));
    fs.appendFileSync(acknowledgedIn(mount).acked, acked.map((line) => `${line}\n`).join(''));
    const [slowest = Infinity] = this.#numbers('slowest');
    t.true(slowest < LONGEST, `${this.#title}: a call took ${slowest} ms`);
    const [before = 0, after = 0] = this.#numbers('accepted');
    return {
      title: this.#title,
      refused: lines
        .filter((line) => line.startsWith('refused '))
        .map((line) => line.slice('refused '.length)),
      committed: !lines.includes('afterwards'),
      accepted: [before, after],
    };
  }

  get #lines(): string[] {
    return this.#said.split('\n');
  }

  #numbers(word: string): number[] {
    const line = this.#lines.find((found) => found.startsWith(`${word} `)) ?? '';
    return line.split(' ').slice(1).map(Number);
  }
}

/** What came of several, for the log. */
export function summary(outcomes: readonly Outcome[]): string {
  const sum = (of: (outcome: Outcome) => number): number => outcomes.reduce((all, one) => all + of(one), 0);
  const refused = [...new Set(outcomes.flatMap((outcome) => outcome.refused))].toSorted().join(', ');
  const committed = sum((outcome) => Number(outcome.committed));
  const [before, after] = [sum(({ accepted }) => accepted[0]), sum(({ accepted }) => accepted[1])];
  return (
    `${committed} of ${outcomes.length} committed while attacked, the others after it; ` +
    `attacks accepted: ${before} before the commit, ${after} after it; refused: ${refused || 'none'}`
  );
}
