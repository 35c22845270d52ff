import type { ControlClient } from '../control/client.js';
import type { Output } from './output.js';

/** An option of one command. */
export interface CommandOption {
  readonly flags: string;
  readonly help: string;
  readonly choices?: readonly string[];
  /** It may be given more than once. */
  readonly repeatable?: true;
  /** The names of options that cannot be given with it. */
  readonly conflicts?: readonly string[];
}

/** The options that were given, by their names. */
export type GivenOptions = Readonly<Record<string, string | readonly string[] | undefined>>;

/** An argument of a command. */
export interface CommandArgument {
  /** As the help shows it. */
  readonly name: string;
  readonly help: string;
  /** It is the last one, and may be given more than once. */
  readonly repeatable?: true;
}

/** A command of cas. */
export interface Command {
  readonly name: string;
  readonly help: string;
  /** All of them have to be given. */
  readonly arguments?: readonly CommandArgument[];
  readonly options: readonly CommandOption[];
  /** `given` has the arguments in their order. */
  readonly run: (
    client: ControlClient,
    output: Output,
    options: GivenOptions,
    given: readonly string[],
  ) => Promise<void>;
}

/** Commands that are called by the name of their group and their own. */
export interface CommandGroup {
  readonly name: string;
  readonly help: string;
  readonly commands: readonly Command[];
}
