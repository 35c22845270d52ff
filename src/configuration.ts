import path from 'node:path';
import { parseCommandLine } from './command-line.js';
import { readConfigFile } from './config-file.js';
import { defaultStore } from './default-store.js';
import { Failure, MOUNT_EXIT } from './failure.js';
import { parseMountOptions, settle } from './mount-options.js';
import {
  dashed,
  OPTION_NAMES,
  optionOf,
  type OptionName,
  type Value,
  type Values,
  variableOf,
} from './options.js';

/** Where a program was started, and how. */
export interface Invocation {
  readonly argv: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  readonly cwd: string;
  readonly version: string;
}

/** Everything that is to be known before mounting. All paths are absolute. */
export interface Configuration extends Values {
  readonly root: string;
  readonly mountpoint: string;
  /** Mount options for the kernel. */
  readonly kernelOptions: readonly string[];
  /** Check only. */
  readonly fake: boolean;
}

/** The values that one source gives. */
type Layer = ReadonlyMap<OptionName, Value>;

/**
 * Puts together what the command line, `-o`, the environment and the configuration file say; the first of them that
 * names an option decides it.
 * @returns a text to be shown instead for `--help` and `--version`
 * @throws Failure naming what is wrong and where it was said
 */
export function configure({ argv, env, cwd, version }: Invocation): Configuration | string {
  const line = parseCommandLine(argv, version);
  if (typeof line === 'string') return line;
  const { source, mountpoint } = positions(line.positionals, cwd);

  const flags = layer(line.flags, cwd, (name) => `--${dashed(name)}`);
  const typed = mountLayer(line.mountOptions, cwd, '-o ');
  const variables = layer(environment(env), cwd, variableOf);
  const inherited = mountLayer(listOf(env['CAS_MOUNT_OPTIONS']), cwd, 'CAS_MOUNT_OPTIONS: ');
  const named = layer(new Map(source === undefined ? [] : [['root', source]]), cwd, () => 'STORE');
  const layers: Layer[] = [flags, typed.values, named, variables, inherited.values];
  const kernelOptions = [...inherited.kernel, ...typed.kernel];

  const file = valueIn(layers, 'config') as string | undefined;
  if (file !== undefined) {
    const said = readConfigFile(file);
    const base = path.dirname(file);
    const listed = mountLayer(said.mountOptions, base, `${file}: options: `);
    layers.push(
      layer(said.values, base, (name) => `${file}: ${dashed(name)}`),
      listed.values,
    );
    kernelOptions.unshift(...listed.kernel);
  }
  refuseTwoStores(flags, named);

  const values = Object.fromEntries(
    OPTION_NAMES.map((name) => [name, valueIn(layers, name)]),
  ) as unknown as Values;
  return {
    ...values,
    root: values.root ?? defaultStore(env),
    mountpoint,
    kernelOptions: settle(kernelOptions),
    fake: line.fake,
  };
}

/** One positional is the mountpoint, two are the store and the mountpoint. */
function positions(
  positionals: readonly string[],
  cwd: string,
): { source: string | undefined; mountpoint: string } {
  const [mountpoint, source] = [...positionals].reverse();
  if (mountpoint === undefined || mountpoint === '') {
    throw new Failure(MOUNT_EXIT.usage, 'no mountpoint; usage: cas-mount [options] [STORE] MOUNTPOINT');
  }
  if (positionals.length > 2) {
    throw new Failure(
      MOUNT_EXIT.usage,
      `too many arguments: ${positionals.join(' ')}; usage: cas-mount [options] [STORE] MOUNTPOINT`,
    );
  }
  if (/^\/dev\/fd\/\d+$/.test(mountpoint)) {
    const reason =
      'an opened FUSE device, as mount.fuse3 passes it for drop_privileges; cas-mount mounts by itself';
    throw new Failure(MOUNT_EXIT.usage, `${mountpoint}: ${reason}: leave that option out`);
  }
  return {
    source: source === undefined ? undefined : storeNamedBy(source),
    mountpoint: path.resolve(cwd, mountpoint),
  };
}

/** The first column of fstab: a path, or a word that only fills the place. */
function storeNamedBy(source: string): string | undefined {
  const named = source.replace(/^(fuse\.)?cas(-mount)?#/, '');
  return ['', 'none', 'cas', 'cas-mount', 'fuse'].includes(named) ? undefined : named;
}

function refuseTwoStores(flags: Layer, named: Layer): void {
  const [flag, source] = [flags.get('root'), named.get('root')];
  if (flag === undefined || source === undefined || flag === source) return;
  throw new Failure(MOUNT_EXIT.usage, `two stores are named, ${flag} and ${source}: name one`);
}

/** Reads the texts of one source. `originOf` says for messages where a text stands. */
function layer(
  texts: ReadonlyMap<OptionName, string>,
  base: string,
  originOf: (name: OptionName) => string,
): Layer {
  return new Map(
    [...texts].map(([name, text]) => {
      try {
        return [name, optionOf(name).parse(text, base)];
      } catch (error) {
        if (!(error instanceof RangeError)) throw error;
        throw new Failure(MOUNT_EXIT.usage, `${originOf(name)}: "${text}" is not ${error.message}`);
      }
    }),
  );
}

/** The same for lists of mount options, with those of the kernel. */
function mountLayer(
  lists: readonly string[],
  base: string,
  origin: string,
): { values: Layer; kernel: string[] } {
  const parsed = lists.map(parseMountOptions);
  const texts = new Map(parsed.flatMap(({ values }) => [...values]));
  return {
    values: layer(texts, base, (name) => `${origin}${dashed(name)}`),
    kernel: parsed.flatMap(({ kernel }) => kernel),
  };
}

function environment(env: NodeJS.ProcessEnv): Map<OptionName, string> {
  const said = OPTION_NAMES.map((name) => [name, env[variableOf(name)]] as const);
  return new Map(said.filter((entry): entry is readonly [OptionName, string] => Boolean(entry[1])));
}

function listOf(text: string | undefined): string[] {
  return text === undefined ? [] : [text];
}

function valueIn(layers: readonly Layer[], name: OptionName): Value | undefined {
  const first = layers.find((candidate) => candidate.has(name));
  return first ? first.get(name) : optionOf(name).fallback;
}
