import type { WriteStream } from 'node:tty';
import type { TerminalSize } from './frame.js';

/* Of ECMA-48 and xterm(1): a screen of its own, so that what stood on the terminal comes back. */
const ENTER = '\x1b[?1049h\x1b[?25l';
const LEAVE = '\x1b[?25h\x1b[?1049l';
const HOME = '\x1b[H';
const CLEAR_REST_OF_LINE = '\x1b[K';
const CLEAR_BELOW = '\x1b[J';

/** Signals that end a program without its exit handlers. */
const ENDING = ['SIGTERM', 'SIGHUP', 'SIGQUIT'] as const;

/** A terminal that shows frames, until {@link Screen.close} or the end of the process, whatever ends it but SIGKILL. */
export class Screen {
  readonly #terminal: WriteStream;
  readonly #draw: (size: TerminalSize) => readonly string[];
  readonly #leave = (): void => void this.#terminal.write(LEAVE);
  readonly #redraw = (): void => this.redraw();

  /** `draw` makes the lines for a size; it is asked again when that changes. */
  constructor(terminal: WriteStream, draw: (size: TerminalSize) => readonly string[]) {
    this.#terminal = terminal;
    this.#draw = draw;
    terminal.write(ENTER);
    terminal.on('resize', this.#redraw);
    process.once('exit', this.#leave);
    process.on('SIGTSTP', this.#stop);
    process.on('SIGCONT', this.#continue);
    for (const signal of ENDING) process.on(signal, this.#end);
  }

  redraw(): void {
    const lines = this.#draw(sizeOf(this.#terminal)).map((line) => line + CLEAR_REST_OF_LINE);
    this.#terminal.write(HOME + lines.join('\r\n') + CLEAR_BELOW);
  }

  close(): void {
    this.#terminal.off('resize', this.#redraw);
    process.off('exit', this.#leave);
    process.off('SIGTSTP', this.#stop);
    process.off('SIGCONT', this.#continue);
    for (const signal of ENDING) process.off(signal, this.#end);
    this.#leave();
  }

  readonly #stop = (): void => {
    this.#leave();
    process.kill(process.pid, 'SIGSTOP');
  };

  readonly #continue = (): void => {
    this.#terminal.write(ENTER);
    this.redraw();
  };

  readonly #end = (signal: NodeJS.Signals): void => {
    this.close();
    process.kill(process.pid, signal);
  };
}

/** That of the first terminals where it is not known, as in a pseudo-terminal that nobody has given one. */
export function sizeOf({ columns, rows }: WriteStream): TerminalSize {
  return { columns: columns > 0 ? columns : 80, rows: rows > 0 ? rows : 24 };
}
