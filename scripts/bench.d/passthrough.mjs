// libfuse's example file system passthrough_hp, compiled from the distribution's source package.
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { run } from './run.mjs';

const EXAMPLES = '/usr/share/doc/libfuse3-dev/examples';

/** Returns { program, name } or { note } with the reason why there is none. */
export async function buildPassthrough(context) {
  try {
    const directory = join(context.base, 'libfuse');
    mkdirSync(directory);
    const source = (await findSource(directory)) ?? join(EXAMPLES, 'passthrough_ll.c');
    if (!existsSync(source)) throw new Error('no source: libfuse3-dev and a Debian source list give it');
    const program = join(directory, 'passthrough');
    const compiler = source.endsWith('.cc') ? ['c++', '-std=c++17'] : ['cc'];
    const flags = (await run(['pkg-config', '--cflags', '--libs', 'fuse3'])).trim().split(/\s+/);
    await run([
      ...compiler,
      '-O2',
      '-D_GNU_SOURCE',
      '-I',
      directory,
      source,
      '-o',
      program,
      ...flags,
      '-lpthread',
    ]);
    return source.endsWith('.cc')
      ? { program, name: 'passthrough_hp' }
      : { note: 'only passthrough_ll is available' };
  } catch (error) {
    return { note: `passthrough_hp not measured: ${error.message.split('\n')[0]}` };
  }
}

/** Downloads the source package through a copy of the configured package sources that asks for sources. */
async function findSource(directory) {
  const packaged = join(EXAMPLES, 'passthrough_hp.cc');
  if (existsSync(packaged)) return packaged;
  const sources = join(directory, 'sources');
  const lists = join(directory, 'lists');
  const unpacked = join(directory, 'unpacked');
  for (const path of [sources, join(lists, 'partial'), unpacked]) mkdirSync(path, { recursive: true });
  const configured = '/etc/apt/sources.list.d';
  for (const file of existsSync(configured) ? readdirSync(configured) : []) {
    const text = readFileSync(join(configured, file), 'utf8');
    if (file.startsWith('debian') && file.endsWith('.sources')) {
      writeFileSync(join(sources, file), text.replaceAll(/^Types:.*$/gm, 'Types: deb-src'));
    }
  }
  if (existsSync('/etc/apt/sources.list')) {
    const text = readFileSync('/etc/apt/sources.list', 'utf8');
    writeFileSync(join(sources, 'main.list'), text.replaceAll(/^deb /gm, 'deb-src '));
  }
  const apt = `cd ${unpacked} && apt-get -q -o Dir::Etc::sourcelist=/dev/null -o Dir::Etc::sourceparts=${sources} -o Dir::State::lists=${lists} -o APT::Sandbox::User=root`;
  await run(['sh', '-c', `${apt} update && ${apt} source --download-only fuse3`], { seconds: 120 });
  const archive = readdirSync(unpacked).find((name) => /\.orig\.tar\.[a-z0-9]+$/.test(name));
  if (!archive) throw new Error('the source package has no upstream archive');
  await run(['tar', '-C', unpacked, '-xf', join(unpacked, archive), '--strip-components=1']);
  const example = join(unpacked, 'example');
  for (const header of readdirSync(example).filter((name) => name.endsWith('.h'))) {
    cpSync(join(example, header), join(directory, header));
  }
  return join(example, 'passthrough_hp.cc');
}
