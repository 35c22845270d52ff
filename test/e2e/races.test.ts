import type { ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import { type Check, type Rules, suite } from './suite.js';
import { EACH } from './variants.js';

const PROCESSES = 8;

/** Shells that are all ready to run the same script, each with its number in `me`. */
class Runners {
  readonly #children: ChildProcess[];
  readonly #lines: AsyncIterator<string>[];

  constructor({ t, mount }: Check, script: string, variables: NodeJS.ProcessEnv) {
    this.#children = Array.from({ length: PROCESSES }, (_, me) =>
      mount.start(script, { ...variables, me: `${me}` }),
    );
    this.#lines = this.#children.map((child) => linesOf(child));
    t.teardown(() => {
      for (const child of this.#children) child.kill('SIGKILL');
    });
  }

  /** The next line that each one says. */
  async said(): Promise<string[]> {
    const lines = await Promise.all(this.#lines.map((line) => line.next()));
    return lines.map(({ done, value }) => (done === true ? 'ended' : value));
  }

  /** Sends each one a line, all at once: what it waits for with `read`. */
  go(): void {
    for (const { stdin } of this.#children) stdin?.write('go\n');
  }
}

function linesOf({ stdout }: ChildProcess): AsyncIterator<string> {
  if (stdout === null) throw new Error('no output');
  return createInterface({ input: stdout })[Symbol.asyncIterator]();
}

const all = (line: string): string[] => new Array<string>(PROCESSES).fill(line);

/** What holds when processes do the same thing at the same time. */
const rules: Rules = {
  'of eight processes that open one ref, one writes and seven are told that it is busy': async (check) => {
    const script = `
      for round in 1 2 3 4 5; do
        echo ready
        read -r
        if { exec 3>> "ingest/$ref-$round"; } 2> "$scratch/$me"; then
          echo "$me" >&3
          echo won
        else
          grep -o 'Device or resource busy' "$scratch/$me"
        fi
        read -r
        exec 3>&-
      done`;
    const { t, sh } = check;
    const runners = new Runners(check, script, { ref: 'one-ref' });
    for (let round = 1; round <= 5; round++) {
      t.deepEqual(await runners.said(), all('ready'));
      runners.go();
      const said = await runners.said();
      t.deepEqual(said.toSorted(), [...all('Device or resource busy').slice(1), 'won']);
      runners.go();
      t.is(await sh(`cat ingest/one-ref-${round}`), `${said.indexOf('won')}\n`);
    }
  },

  'eight processes commit the same bytes: all succeed, and there is one blob': async (check) => {
    const { t, source, sh } = check;
    const sources = await Promise.all(Array.from({ length: 5 }, () => source()));
    const script = `
      for round in 0 1 2 3 4; do
        src=src$round blob=blob$round
        cp "\${!src}" "ingest/same-$me"
        echo ready
        read -r
        mv "ingest/same-$me" "\${!blob}"
        cmp "\${!src}" "\${!blob}"
        echo done
        read -r
      done`;
    const variables = Object.fromEntries(
      sources.flatMap(({ src, blob }, round) => [
        [`src${round}`, src],
        [`blob${round}`, blob],
      ]),
    );
    const runners = new Runners(check, script, variables);
    for (const { hex } of sources) {
      t.deepEqual(await runners.said(), all('ready'));
      runners.go();
      t.deepEqual(await runners.said(), all('done'));
      t.is(await sh(`ls blobs/sha256 | grep -c ${hex}; ls ingest | grep -c same || true`), '1\n0\n');
      runners.go();
    }
  },

  'eight processes make the same digest directly: it is right or is not there': async (check) => {
    const { t, source, sh } = check;
    const { src, blob } = await source(2_000_000);
    const script = `
      for round in 1 2 3 4 5; do
        echo ready
        read -r
        if cp "$src" "$blob" 2> "$scratch/$me"; then echo made
        else grep -Eo 'File exists|Permission denied' "$scratch/$me"
        fi
        read -r
      done`;
    const runners = new Runners(check, script, { src, blob });
    for (let round = 0; round < 5; round++) {
      t.deepEqual(await runners.said(), all('ready'));
      runners.go();
      const said = await runners.said();
      t.true(said.includes('made'), said.join());
      t.false(said.includes('ended'), said.join());
      await sh(
        'cmp "$src" "$blob"; rm -f "$blob"; is "$(ls -A blobs/sha256 | grep -c "${blob##*/}" || true)" 0',
        { src, blob },
      );
      runners.go();
    }
  },

  'while some rewrite a blob, rightly or wrongly, all who read it see it whole': async (check) => {
    const { t, variant, source, sh } = check;
    const { src, blob } = await source(700_001);
    await sh('cp "$src" "$blob"', { src, blob });
    // An ordinary user may not open it for writing.
    if (variant.user) return;
    const script = `
      exec 3< "$blob"
      echo ready
      read -r
      for round in {1..15}; do
        case $((me % 4)) in
          0) cat "$src" > "$blob" ;;
          1) fails 'Bad message' dd if="$src" of="$blob" bs=64k skip=1 status=none ;;
          2) cmp "$src" "$blob" && cmp "$src" <(cat <&3) && exec 3< "$blob" ;;
          3) is "$(stat -c '%s %a' "$blob")" '700001 444'; call map-private "$blob" | cmp - "$src" ;;
        esac
      done
      is "$(stat -L -c %s /dev/fd/3)" 700001
      echo done`;
    const runners = new Runners(check, script, { src, blob });
    t.deepEqual(await runners.said(), all('ready'));
    runners.go();
    t.deepEqual(await runners.said(), all('done'));
    await sh('is "$(ls -A blobs/sha256 | grep -c "${blob##*/}")" 1', { blob });
  },

  'while some commit, some remove and some read a blob, nobody sees wrong bytes': async (check) => {
    const { t, source, sh } = check;
    const { src, blob } = await source(400_000);
    const script = `
      echo ready
      read -r
      for round in {1..12}; do
        case $((me % 4)) in
          0 | 1) cp "$src" "ingest/mixed-$me"; mv "ingest/mixed-$me" "$blob" ;;
          2) rm -f "$blob" ;;
          3)
            if cat "$blob" > "$scratch/$me" 2> "$scratch/$me.error"; then cmp "$src" "$scratch/$me"
            else grep -q 'No such file' "$scratch/$me.error"
            fi
            ;;
        esac
      done
      echo done`;
    const runners = new Runners(check, script, { src, blob });
    t.deepEqual(await runners.said(), all('ready'));
    runners.go();
    t.deepEqual(await runners.said(), all('done'));
    await sh(
      'cp "$src" ingest/last; mv ingest/last "$blob"; cmp "$src" "$blob"; rm "$blob"; [[ ! -e $blob ]]',
      {
        src,
        blob,
      },
    );
    t.is((await check.mount.status()).counts.pending, 0);
  },

  'a file that is written while others try to commit it is committed once it is whole': async (check) => {
    const { t, source, sh } = check;
    const { src, blob } = await source(8 << 20);
    const script = `
      echo ready
      read -r
      if (( me == 0 )); then
        dd if="$src" of=ingest/whole bs=64k status=none 2> "$scratch/$me"
      else
        for try in {1..1000}; do
          if mv ingest/whole "$blob" 2> "$scratch/$me"; then break; fi
          [[ ! -e $blob ]] || break
          grep -Eq 'Bad message|No such file' "$scratch/$me"
        done
      fi
      echo done`;
    const runners = new Runners(check, script, { src, blob });
    t.deepEqual(await runners.said(), all('ready'));
    runners.go();
    t.deepEqual(await runners.said(), all('done'));
    await sh('cmp "$src" "$blob"; [[ ! -e ingest/whole ]]', { src, blob });
  },
};

suite(EACH, rules);
