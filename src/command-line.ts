import path from 'node:path';
import { Command, CommanderError } from 'commander';
import { Failure, MOUNT_EXIT } from './failure.js';
import { dashed, OPTION_NAMES, optionOf, type OptionName, variableOf } from './options.js';

/** What was typed: texts, not yet read as values. */
export interface CommandLine {
  readonly flags: ReadonlyMap<OptionName, string>;
  /** The arguments of all `-o`, in order. */
  readonly mountOptions: readonly string[];
  readonly positionals: readonly string[];
  /** `mount -f` through mount.cas: check everything, mount nothing. */
  readonly fake: boolean;
}

const AFTER_HELP = `
Every option can also be given with -o, as an environment variable (${variableOf('logLevel')}) and as a key of the
configuration file ("log-level"); an earlier one in this list wins: flag, -o, environment, file.
-o also takes mount options of the kernel, such as ro, allow_other, noatime, nosuid.

Signals: TERM and INT unmount and end (a second one detaches a busy mount), HUP reads the log level again and reopens
the log file, USR1 logs statistics. \`fusermount3 -u MOUNTPOINT\` ends it as well.

Exit codes: 0 mounted (-f: unmounted), 1 usage, 2 system, 10 no store, 11 store locked, 32 mount failed.`;

/**
 * Reads the arguments of cas-mount, `process.argv` as it is.
 * @returns a text to be shown instead for `--help` and `--version`
 * @throws Failure for what cannot be understood
 */
export function parseCommandLine(argv: readonly string[], version: string): CommandLine | string {
  // mount(8) runs /sbin/mount.TYPE with -f for "fake" (mount(8), "EXTERNAL HELPERS"); to everyone else it is --foreground.
  const isMountHelper = path.basename(argv[1] ?? '').startsWith('mount.');
  const mountOptions: string[] = [];
  let shown = '';
  let problem = '';
  const command = new Command('cas-mount')
    .usage('[options] [STORE] MOUNTPOINT')
    .description(
      'Mounts a content-addressed store. It returns when the mount is ready and serves in the background.',
    )
    .argument('[paths...]')
    .version(version, '-V, --version', 'show the version')
    .helpOption('-h, --help', 'show this help')
    .addHelpText('after', AFTER_HELP)
    .configureOutput({ writeOut: (text) => (shown += text), writeErr: (text) => (problem += text) })
    .exitOverride();
  for (const name of OPTION_NAMES) command.option(flagsOf(name), optionOf(name).help);
  command.option('-o <options>', 'mount options: name[=value],…', (text: string) => mountOptions.push(text));
  for (const ignored of ['-s', '-n', '-v', '-N <namespace>', '-t <type>']) {
    command.addOption(command.createOption(ignored).hideHelp());
  }
  try {
    command.parse(argv);
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0) return shown.trimEnd();
    throw new Failure(MOUNT_EXIT.usage, `${problem.trim().replace(/^error: /, '')}; see cas-mount --help`);
  }
  const flags = new Map<OptionName, string>();
  const typed = command.opts<Record<string, string | true | undefined>>();
  for (const name of OPTION_NAMES) {
    const value = typed[name];
    if (value !== undefined) flags.set(name, String(value));
  }
  const fake = isMountHelper && flags.delete('foreground');
  return { flags, mountOptions, positionals: command.args, fake };
}

function flagsOf(name: OptionName): string {
  const { short, argument } = optionOf(name);
  return `${short === undefined ? '' : `-${short}, `}--${dashed(name)}${argument === undefined ? '' : ` <${argument}>`}`;
}
