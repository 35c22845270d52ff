import { execFile } from 'node:child_process';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import test from 'ava';

const execute = promisify(execFile);
const TRANSPORT = new URL('../../../../fs/transport/fuse-native/fuse-native.js', import.meta.url).href;
const CARRIED = join(
  dirname(createRequire(import.meta.url).resolve('fuse-native/package.json')),
  `prebuilds/${process.platform}-${process.arch}/libfuse.so`,
);

/** What the transport says it lacks, in a process for which `hide`, a shell command, has hidden something. */
async function lacks(hide: string): Promise<string> {
  const program = `console.log((await import('${TRANSPORT}')).fuseNativeTransport.unavailable())`;
  const script = `${hide} && exec "${process.execPath}" --input-type=module --eval "${program}"`;
  const { stdout } = await execute('unshare', ['-m', '/bin/sh', '-c', script], { timeout: 90_000 });
  return stdout.trim();
}

/** Puts an empty file in the place of another. */
function empty(path: string): string {
  return `mount --bind /dev/null "${path}"`;
}

async function systemLibrary(): Promise<string> {
  const { stdout } = await execute('/bin/sh', [
    '-c',
    "ldconfig -p | sed -n 's/.*libfuse.so.2 .*=> //p' | head -1",
  ]);
  return stdout.trim();
}

test.serial('the library of the package or the system’s, either will do', async (t) => {
  t.is(await lacks('true'), 'undefined');
  t.is(await lacks(empty(CARRIED)), 'undefined');
  t.is(await lacks(empty(await systemLibrary())), 'undefined');
});

test.serial('without either, the Debian package that brings it is named', async (t) => {
  t.regex(
    await lacks(`${empty(CARRIED)} && ${empty(await systemLibrary())}`),
    /^libfuse\.so\.2 is missing: install .* libfuse2 /,
  );
});

test.serial('without /dev/fuse, that is named', async (t) => {
  t.is(await lacks('mount -t tmpfs none /dev'), '/dev/fuse is missing (modprobe fuse)');
});
