import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import type { StatusJson } from '../../store/ingest/status-json.js';
import { CAS, run, until } from '../src/process/site.js';
import { type Check, eachAlone, type Rules, suite } from './suite.js';
import { AS_ROOT } from './variants.js';

/** The alternate screen of xterm(1), entered and left, with the cursor hidden meanwhile. */
const ENTER = '\x1b[?1049h\x1b[?25l';
const LEAVE = '\x1b[?25h\x1b[?1049l';

/** `cas ingests --watch` on a pseudo-terminal of 80 columns and 6 rows, which script(1) makes. */
class Terminal {
  readonly #child: ChildProcess;
  readonly #scratch: string;
  output = '';

  constructor({ t, mount: { site, scratch } }: Check) {
    this.#scratch = scratch;
    const cas = `exec '${process.execPath}' '${CAS}' --root '${site.store}' ingests --watch`;
    const command = `tty > '${scratch}/tty'; echo $$ > '${scratch}/pid'; stty cols 80 rows 6; ${cas}`;
    this.#child = spawn('script', ['--quiet', '--return', '--flush', '--command', command, '/dev/null'], {
      stdio: ['pipe', 'pipe', 'inherit'],
      env: { ...process.env, TERM: 'xterm', SHELL: '/bin/bash' },
    });
    t.teardown(() => this.#child.kill());
    this.#child.stdout?.setEncoding('utf8').on('data', (text: string) => (this.output += text));
  }

  get pid(): number {
    return Number(fs.readFileSync(`${this.#scratch}/pid`, 'utf8'));
  }

  /** The lines of the latest frame that is complete. */
  get frame(): string[] {
    const frame = this.output.split('\x1b[H').findLast((text) => text.includes('\x1b[J')) ?? '';
    return frame
      .slice(0, frame.indexOf('\x1b[J'))
      .replaceAll(/\x1b\[K|\r/g, '')
      .split('\n');
  }

  async shows(what: RegExp): Promise<string> {
    const found = (): string | undefined => this.frame.find((line) => what.test(line));
    await until(`a frame shows ${what.source}`, () => found() !== undefined);
    return found() ?? '';
  }

  async resize(columns: number, rows: number): Promise<void> {
    const tty = fs.readFileSync(`${this.#scratch}/tty`, 'utf8').trim();
    await run('stty', ['-F', tty, 'cols', `${columns}`, 'rows', `${rows}`]);
  }

  press(keys: string): void {
    this.#child.stdin?.write(keys);
  }

  /** The exit code. */
  async ended(): Promise<number | null> {
    if (this.#child.exitCode === null) await once(this.#child, 'close');
    return this.#child.exitCode;
  }
}

/** Starts a writer of a file of 4 MiB that writes one MiB whenever it is told to, and waits for the first. */
async function startWriter({ t, mount }: Check, ref: string): Promise<ChildProcess> {
  const script = `
    mkdir -p "ingest/\${ref%/*}"
    : > "ingest/$ref"
    setfattr -n user.cas.total -v 4194304 "ingest/$ref"
    exec 3>> "ingest/$ref"
    while head -c 1048576 /dev/urandom >&3; echo written; read -r _; do :; done`;
  const writer = mount.start(script, { ref });
  t.teardown(() => writer.kill());
  await once(writer.stdout ?? writer, 'data');
  return writer;
}

const rules: Rules = {
  'on a terminal bars follow the writers, and Ctrl-C leaves it as it was': async (check) => {
    const { t, sh } = check;
    const writer = await startWriter(check, 'job/layer.tar');
    await sh('for n in 1 2 3 4 5 6; do echo x > "ingest/idle-$n"; done');
    const terminal = new Terminal(check);
    t.regex(await terminal.shows(/job\/layer/), /^job\/layer\.tar +\[=+> +\] +25% +1\.0 MiB \/ 4\.0 MiB/);
    t.true(terminal.output.startsWith(ENTER));
    t.is(terminal.frame.length, 6);
    t.regex(terminal.frame[1] ?? '', /^idle-6 +2 B +no writer$/);
    t.is(terminal.frame[5], '… and 2 more');

    writer.stdin?.write('\n');
    await once(writer.stdout ?? writer, 'data');
    await terminal.shows(/50% +2\.0 MiB \/ 4\.0 MiB .* (KiB|MiB|B)\/s/);

    await terminal.resize(40, 3);
    await until('the frame fits', () => terminal.frame.length === 3);
    t.true(terminal.frame.every((line) => line.length <= 40));
    await terminal.shows(/50%/);

    terminal.press('\x03');
    t.is(await terminal.ended(), 130);
    t.true(terminal.output.trimEnd().endsWith(LEAVE), JSON.stringify(terminal.output.slice(-100)));
    t.is(terminal.output.split(ENTER).length, 2);
    t.is(terminal.output.split(LEAVE).length, 2);
    writer.stdin?.end();
    await once(writer, 'close');
  },

  'a signal that ends it leaves the terminal as it was': async (check) => {
    const { t, sh } = check;
    await sh('echo x > "ingest/$ref"');
    for (const [signal, code] of [
      ['SIGTERM', 143],
      ['SIGHUP', 129],
    ] as const) {
      const terminal = new Terminal(check);
      await terminal.shows(/no writer/);
      process.kill(terminal.pid, signal);
      t.is(await terminal.ended(), code);
      t.true(terminal.output.trimEnd().endsWith(LEAVE), JSON.stringify(terminal.output.slice(-100)));
    }
  },

  'elsewhere it writes the list again and again, until it is interrupted': async (check) => {
    const { t, mount } = check;
    const writer = await startWriter(check, 'job/lines.tar');
    for (const [json, nameIn] of [
      [['--json'], (line: string) => (JSON.parse(line) as StatusJson).ref],
      [[], (line: string) => line.split('\t')[0]],
    ] as const) {
      const args = [CAS, '--root', mount.site.store, ...json, 'ingests', '-w'];
      const cas = mount.site.start(process.execPath, args, { env: process.env });
      let output = '';
      cas.stdout?.setEncoding('utf8').on('data', (text: string) => (output += text));
      const refs = (): (string | undefined)[] => output.split('\n').slice(0, -1).map(nameIn);
      await until('there are three', () => refs().filter((ref) => ref === 'job/lines.tar').length >= 3);
      t.false(output.includes('\x1b'));
      cas.kill('SIGINT');
      const [code] = (await once(cas, 'exit')) as [number | null];
      t.is(code, 130);
    }
    writer.stdin?.end();
    await once(writer, 'close');
  },
};

suite(AS_ROOT, rules);

eachAlone(AS_ROOT, {
  'when the daemon ends, the terminal is as it was, and a line says so': async (check) => {
    const { t, mount } = check;
    const terminal = new Terminal(check);
    await terminal.shows(/^no ingests$/);
    await mount.unmount();
    t.is(await terminal.ended(), 1);
    const after = terminal.output.slice(terminal.output.indexOf(LEAVE) + LEAVE.length);
    t.regex(after, /^cas: .*store: (no cas-mount serves this store|the daemon ended)[^\n]*\r\n$/);
  },
});
