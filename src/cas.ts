#!/usr/bin/env node
import { Command, CommanderError } from 'commander';
import type { Command as CasCommand, GivenOptions } from './cas/command.js';
import { COMMANDS } from './cas/commands.js';
import { locateStore } from './cas/locate.js';
import { Output } from './cas/output.js';
import { ControlClient } from './control/client.js';
import { exitOf, lineOf, TOOL_EXIT } from './failure.js';
import { VERSION } from './version.js';

const AFTER_HELP = `
The store is the one that --root, --mount or CAS_MOUNT_ROOT name, else that of the mount the current directory is in,
else that of the only mount. Output is a table on a terminal, tab-separated text elsewhere, JSON with --json (one
object per line for lists). Layers, tar-splits and archives are written as they are: to -o FILE, or to standard output
unless that is a terminal. \`layer add\`, \`stack push\`, \`image unpack\`, \`import\` and \`export\` show on a terminal how far
they are; Ctrl-C leaves nothing of what is not whole.

Exit codes: 0 ok, 1 failure, 2 usage, 10 no store, 11 store locked, 130 interrupted.`;

interface Globals {
  readonly root?: string;
  readonly mount?: string;
  readonly json?: true;
}

/** cas: asks the daemon that serves a store. See `cas --help`. */
function program(): Command {
  const cas = new Command('cas')
    .description('Asks the cas-mount that serves a store.')
    .version(VERSION, '-V, --version', 'show the version')
    .helpOption('-h, --help', 'show this help')
    .option('--root <DIR>', 'the store')
    .option('--mount <DIR>', 'the store that is mounted there')
    .option('--json', 'write JSON')
    .addHelpText('after', AFTER_HELP)
    .configureOutput({ outputError: (text, write) => write(`cas: ${text.replace(/^error: /, '')}`) })
    .exitOverride();
  for (const command of COMMANDS) {
    if ('run' in command) {
      addCommand(cas, command);
      continue;
    }
    const group = cas.command(command.name).description(command.help).copyInheritedSettings(cas);
    for (const one of command.commands) addCommand(group, one);
  }
  return cas;
}

function addCommand(to: Command, { name, help, arguments: wanted = [], options, run }: CasCommand): void {
  const command = to.command(name).description(help).copyInheritedSettings(to);
  for (const { name, help, repeatable } of wanted)
    command.argument(`<${name}${repeatable ? '...' : ''}>`, help);
  for (const { flags, help: what, choices, repeatable, conflicts } of options) {
    const option = command.createOption(flags, what);
    if (choices) option.choices(choices);
    if (conflicts) option.conflicts([...conflicts]);
    if (repeatable)
      option.argParser<readonly string[] | undefined>((value, before) => [...(before ?? []), value]);
    command.addOption(option);
  }
  command.action(async () => {
    const { root, mount, json } = command.optsWithGlobals<Globals>();
    const store = locateStore({ root, mount, env: process.env, cwd: process.cwd() });
    const format = json ? 'json' : process.stdout.isTTY ? 'table' : 'text';
    const output = new Output(format, process.stdout);
    await run(new ControlClient(store), output, command.opts<GivenOptions>(), command.args);
  });
}

// `cas ls | head` has seen enough.
process.stdout.on('error', (error: NodeJS.ErrnoException) =>
  process.exit(error.code === 'EPIPE' ? 0 : TOOL_EXIT.failure),
);
process.on('SIGINT', () => process.exit(TOOL_EXIT.interrupted));

try {
  await program().parseAsync();
} catch (error) {
  if (error instanceof CommanderError) {
    process.exitCode = error.exitCode === 0 ? TOOL_EXIT.ok : TOOL_EXIT.usage;
  } else {
    process.stderr.write(`cas: ${lineOf(error)}\n`);
    process.exitCode = exitOf(error, TOOL_EXIT.failure);
  }
}
