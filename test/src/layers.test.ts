import { execFileSync, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import {
  copyFileSync,
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import test, { type ExecutionContext } from 'ava';
import type { ControlFailure } from '../../src/control/protocol.js';
import { Failure } from '../../src/failure.js';
import { temporaryDirectory } from '../helpers/temporary.js';
import { CAS, run, until } from './process/site.js';
import { ServedStore } from './served-store.js';

/** The digest of what {@link tarOf} makes, and that of what tar-split 0.11 (`tar-split disasm`) writes of it. */
const TAR = '298a616f95b94140ea73fe6fd45cd63543a780d19308d4de432340ab81f79ed4';
const TAR_SPLIT = '7c5bf946bce17c00dec2c32fcc2b39d1abe49253cfb961d48d192c87e29545f5';

/** A tar by GNU tar: directories, links, an empty file, one that is packed and one that is not. */
function tarOf(t: ExecutionContext, directory: string): string {
  const tree = path.join(directory, 'tree');
  mkdirSync(path.join(tree, 'dir'), { recursive: true });
  writeFileSync(path.join(tree, 'dir/file'), 'hello\n');
  writeFileSync(path.join(tree, 'empty'), '');
  symlinkSync('file', path.join(tree, 'dir/link'));
  linkSync(path.join(tree, 'dir/file'), path.join(tree, 'dir/hard'));
  writeFileSync(path.join(tree, 'numbers'), execFileSync('seq', ['1', '30000']));
  writeFileSync(path.join(tree, 'naïve <&>'), 'x');
  const file = path.join(directory, 'base.tar');
  const same = '--sort=name --mtime=@1000000000 --owner=0 --group=0 --numeric-owner --mode=u=rwX,go=rX';
  execFileSync('tar', ['-C', tree, ...same.split(' '), '--format=gnu', '-cf', file, '.']);
  t.is(sha256sum(file), TAR);
  return file;
}

/** Another small tar. */
function otherTar(directory: string, name = 'other'): string {
  const file = path.join(directory, `${name}.tar`);
  writeFileSync(path.join(directory, name), name);
  execFileSync('tar', ['-C', directory, '-cf', file, name]);
  return file;
}

function sha256sum(file: string): string {
  return execFileSync('sha256sum', { input: readFileSync(file) })
    .toString()
    .slice(0, 64);
}

async function refused(t: ExecutionContext, doing: Promise<unknown>): Promise<Failure> {
  return t.throwsAsync(doing, { instanceOf: Failure });
}

function codeOf({ cause }: Failure): string | undefined {
  return (cause as ControlFailure | undefined)?.code;
}

test('a tar, plain or compressed, is one layer by the digest of the plain one', async (t) => {
  const served = await ServedStore.open(t);
  const file = tarOf(t, temporaryDirectory(t));
  execFileSync('gzip', ['--keep', file]);
  execFileSync('zstd', ['--quiet', '--keep', file]);
  for (const suffix of ['', '.gz', '.zst'])
    t.is(await served.cas(['layer', 'add', file + suffix]), `sha256:${TAR}`);
  const [layer, ...others] = await served.json(['layer', 'ls']);
  t.deepEqual(others, []);
  const expected = {
    chain: `sha256:${TAR}`,
    diff: `sha256:${TAR}`,
    parent: null,
    depth: 1,
    size: statSync(file).size,
    entries: execFileSync('tar', ['-tf', file]).toString().trimEnd().split('\n').length,
    holders: ['user'],
  };
  t.like(layer, expected);
  t.like((await served.json(['layer', 'show', TAR]))[0], { ...expected, parents: [], stacks: [] });
  t.regex(
    await served.cas(['layer', 'ls']),
    new RegExp(`^sha256:${TAR}\tsha256:${TAR}\t1\t${expected.size}\t8\tuser\t[^\t]*Z$`),
  );
  t.regex(await served.cas(['layer', 'ls'], { format: 'table' }), /^CHAIN +DIFF +DEPTH +SIZE/);
});

test('an export is the tar that was added, and a file has its name only then', async (t) => {
  const served = await ServedStore.open(t);
  const directory = temporaryDirectory(t);
  await served.cas(['layer', 'add', tarOf(t, directory)]);
  const to = path.join(directory, 'out.tar');
  writeFileSync(to, 'what was there before');
  t.is(await served.cas(['layer', 'export', TAR.slice(0, 6)], { output: to }), '');
  t.is(sha256sum(to), TAR);

  const [set = ''] = readdirSync(path.join(served.root, 'payloads'));
  const [payload = ''] = readdirSync(path.join(served.root, 'payloads', set)).filter(
    (name) => name !== 'pack',
  );
  const damaged = path.join(served.root, 'payloads', set, payload);
  const bytes = readFileSync(damaged);
  bytes.writeUInt8(bytes.readUInt8(1000) ^ 1, 1000);
  execFileSync('chmod', ['u+w', damaged]);
  writeFileSync(damaged, bytes);
  const failure = await refused(t, served.cas(['layer', 'export', TAR], { output: `${to}.damaged` }));
  t.is(codeOf(failure), 'LAYER_DAMAGED');
  t.regex(failure.message, new RegExp(`^sha256:${payload}: .*found sha256:`));
  t.false(existsSync(`${to}.damaged`));
  t.deepEqual(readdirSync(directory).sort(), ['base.tar', 'out.tar', 'tree']);
  t.deepEqual((await served.json(['layer', 'show', TAR]))[0]?.['holders'], ['user']);
});

test('tarsplit writes what tar-split does', async (t) => {
  const served = await ServedStore.open(t);
  const directory = temporaryDirectory(t);
  await served.cas(['layer', 'add', tarOf(t, directory)]);
  const to = path.join(directory, 'tar-split.json.gz');
  await served.cas(['layer', 'tarsplit', TAR], { output: to });
  t.is(
    createHash('sha256')
      .update(gunzipSync(readFileSync(to)))
      .digest('hex'),
    TAR_SPLIT,
  );
});

test('a tar is added with the tar-split of it, and not with that of another', async (t) => {
  const served = await ServedStore.open(t);
  const directory = temporaryDirectory(t);
  const file = tarOf(t, directory);
  const zipped = path.join(directory, 'tar-split.json.gz');
  await served.cas(['layer', 'add', file]);
  await served.cas(['layer', 'tarsplit', TAR], { output: zipped });
  await served.cas(['layer', 'rm', TAR]);
  t.deepEqual(served.left(), []);

  const json = gunzipSync(readFileSync(zipped)).toString();
  const given = path.join(directory, 'given');
  const lines = json.trimEnd().split('\n');
  const cut = (line: string): string => line.replace(/"payload":"[^"]*"/, '"payload":"AAAAAAAAAAA="');
  for (const [what, text, code, message] of [
    ['a part of it', lines.slice(0, -3).join('\n'), 'TAR_SPLIT_MISMATCH', /expected the end, found/],
    [
      'another checksum',
      lines.map((line) => (line.includes('numbers') ? cut(line) : line)).join('\n'),
      'TAR_SPLIT_MISMATCH',
      /"\.\/numbers" \(168894 bytes, CRC-64 0000000000000000\), found/,
    ],
    [
      'other bytes',
      lines.map((line, index) => (index === 0 ? cut(line) : line)).join('\n'),
      'TAR_SPLIT_MISMATCH',
      /^entry 0 of the tar: /,
    ],
    [
      'something else',
      'rubbish',
      'LAYER_INVALID',
      /^tar-split entry 0: .*expected a JSON object, found "rubbish"/,
    ],
    ['nothing', '', 'TAR_SPLIT_MISMATCH', /expected the end, found/],
  ] as const) {
    writeFileSync(given, text);
    const failure = await refused(t, served.cas(['layer', 'add', file], { tarSplit: given }));
    t.is(codeOf(failure), code, what);
    t.regex(failure.message, message, what);
    t.deepEqual(served.left(), [], what);
  }
  const other = otherTar(directory);
  t.is(
    codeOf(await refused(t, served.cas(['layer', 'add', other], { tarSplit: zipped }))),
    'TAR_SPLIT_MISMATCH',
  );
  await refused(t, served.cas(['layer', 'add', file], { tarSplit: path.join(directory, 'none') }));
  t.deepEqual(served.left(), []);

  writeFileSync(given, json);
  t.is(await served.cas(['layer', 'add', file], { tarSplit: given }), `sha256:${TAR}`);
  t.is(await served.cas(['layer', 'add', file], { tarSplit: zipped }), `sha256:${TAR}`);
  // Later versions of tar-split have no segment of nothing at the end.
  writeFileSync(given, gzipSync(`${lines.slice(0, -1).join('\n')}\n`));
  t.is(await served.cas(['layer', 'add', file], { tarSplit: given }), `sha256:${TAR}`);
});

test('a layer on another has the chain of both, and holds it', async (t) => {
  const served = await ServedStore.open(t);
  const directory = temporaryDirectory(t);
  const base = await served.cas(['layer', 'add', tarOf(t, directory)]);
  const file = otherTar(directory);
  const text = `${base} sha256:${sha256sum(file)}`;
  const chain = `sha256:${execFileSync('sha256sum', { input: text }).toString().slice(0, 64)}`;
  t.is(await served.cas(['layer', 'add', file], { on: TAR.slice(0, 8) }), chain);
  const [shown] = await served.json(['layer', 'show', chain]);
  t.like(shown, {
    parent: base,
    depth: 2,
    chainSize: statSync(file).size + statSync(`${directory}/base.tar`).size,
  });
  t.like(shown?.['parents'], [{ chain: base, diff: base }]);
  t.regex(await served.cas(['layer', 'show', chain]), new RegExp(`^parents\t${base}$`, 'm'));
  t.regex(await served.cas(['layer', 'show', chain], { format: 'table' }), /^PARENT +DIFF.*\nsha256:298a/m);

  const failure = await refused(t, served.cas(['layer', 'rm', base]));
  t.is(codeOf(failure), 'LAYER_HELD');
  t.is((failure.cause as ControlFailure).errno, 'EBUSY');
  t.true(failure.message.endsWith(`child ${chain}`), failure.message);
  t.regex(await served.cas(['layer', 'rm', chain]), new RegExp(`^${chain}\t[^\n]*$`));
  t.regex(await served.cas(['layer', 'rm', base]), new RegExp(`^${base}\t[^\n]*$`));
  t.deepEqual(served.left(), []);
});

test('stacks: what is pushed, by file, blob or chain, is held until it is popped', async (t) => {
  const served = await ServedStore.open(t);
  const directory = temporaryDirectory(t);
  const [base, file] = [tarOf(t, directory), otherTar(directory)];
  copyFileSync(file, path.join(served.root, 'blobs/sha256', sha256sum(file)));
  const blob = `sha256:${sha256sum(file)}`;

  t.is(await served.cas(['stack', 'add', 'app']), 'app');
  t.is(codeOf(await refused(t, served.cas(['stack', 'add', 'app']))), 'STACK_EXISTS');
  t.is(codeOf(await refused(t, served.cas(['stack', 'push', 'none', base]))), 'STACK_NOT_FOUND');
  t.is(await served.cas(['stack', 'push', 'app', base]), `sha256:${TAR}`);
  const top = await served.cas(['stack', 'push', 'app', blob]);
  const [stack] = await served.json(['stack', 'ls']);
  t.deepEqual(stack, { name: 'app', top, depth: 2, size: statSync(base).size + statSync(file).size });
  t.deepEqual((await served.json(['layer', 'show', TAR]))[0]?.['stacks'], ['app']);
  t.is(codeOf(await refused(t, served.cas(['layer', 'rm', top]))), 'LAYER_HELD');

  // The blob is a layer by itself, too, which does not fit on the stack.
  t.is(await served.cas(['layer', 'add', blob]), blob);
  t.not(await served.cas(['stack', 'push', 'app', blob]), blob);
  t.regex(await served.cas(['stack', 'pop', 'app']), /^sha256:[^\n]*$/);
  await served.cas(['stack', 'add', 'by chain']);
  t.is(await served.cas(['stack', 'push', 'by chain', top.slice(7, 15)]), top);
  const wrong = await refused(t, served.cas(['stack', 'push', 'by chain', TAR]));
  t.is(codeOf(wrong), 'LAYER_INVALID');
  t.true(wrong.message.includes(`one on ${top}`));

  t.is(await served.cas(['stack', 'rm', 'app']), '');
  const gone = await served.json(['stack', 'rm', 'by chain']);
  t.deepEqual(
    gone.map(({ chain }) => chain),
    [top, `sha256:${TAR}`],
  );
  t.is(await served.cas(['stack', 'ls']), '');
  t.regex(await served.cas(['layer', 'rm', blob]), new RegExp(`^${blob}\t`));
  t.deepEqual(served.left(), []);
});

test('a layer that the user adds is there when the stack it was on has gone, also after a restart', async (t) => {
  const served = await ServedStore.open(t);
  const file = tarOf(t, temporaryDirectory(t));
  await served.cas(['stack', 'add', 'app']);
  await served.cas(['layer', 'add', file], { stack: 'app' });
  await served.cas(['layer', 'add', file]);
  t.is(await served.cas(['stack', 'rm', 'app']), '');
  await served.reopen();
  t.deepEqual((await served.json(['layer', 'ls']))[0]?.['holders'], ['user']);
});

test('what only a stack has below a layer goes with the layer', async (t) => {
  const served = await ServedStore.open(t);
  const directory = temporaryDirectory(t);
  await served.cas(['stack', 'add', 'app']);
  await served.cas(['layer', 'add', tarOf(t, directory)], { stack: 'app' });
  const top = await served.cas(['layer', 'add', otherTar(directory)], { on: TAR });
  t.is(await served.cas(['stack', 'rm', 'app']), '');
  const gone = await served.json(['layer', 'rm', top]);
  t.deepEqual(
    gone.map(({ chain }) => chain),
    [top, `sha256:${TAR}`],
  );
  t.deepEqual(served.left(), []);
});

test('what is no layer is refused, and nothing is left of it', async (t) => {
  const served = await ServedStore.open(t);
  const directory = temporaryDirectory(t);
  const file = path.join(directory, 'rubbish');
  const base = tarOf(t, directory);
  const zipped = gzipSync(readFileSync(base));
  for (const [what, bytes, message] of [
    ['rubbish', Buffer.alloc(2048, 'rubbish '), /^tar offset 0: the bytes cannot be a layer: expected/],
    ['half a tar', readFileSync(base).subarray(0, 100_000), /^tar offset 100000: .*found "?the end/],
    ['half a gzip', zipped.subarray(0, zipped.length / 2), /^gzip, byte \d+: /],
  ] as const) {
    writeFileSync(file, bytes);
    const failure = await refused(t, served.cas(['layer', 'add', file]));
    t.is(codeOf(failure), 'LAYER_INVALID', what);
    t.regex(failure.message, message, what);
    t.deepEqual(served.left(), [], what);
  }
  const absent = `sha256:${'0'.repeat(64)}`;
  t.is(codeOf(await refused(t, served.cas(['layer', 'add', absent]))), 'BLOB_NOT_FOUND');
  t.is(codeOf(await refused(t, served.cas(['layer', 'add', base], { on: absent }))), 'LAYER_NOT_FOUND');
  t.regex((await refused(t, served.cas(['layer', 'add', directory]))).message, /a directory, not a tar$/);
  t.regex((await refused(t, served.cas(['layer', 'add', `${file}.none`]))).message, /no such file$/);
  t.deepEqual(served.left(), []);
});

test('a chain is known by its first digits if no other begins with them', async (t) => {
  const served = await ServedStore.open(t);
  const directory = temporaryDirectory(t);
  const tar = readFileSync(otherTar(directory));
  // What follows the archive belongs to the layer: of some 5000 numbers there, two give the same six digits.
  const seen = new Map<string, number>();
  const begun = createHash('sha256').update(tar);
  let pair: [number, number] | undefined;
  for (let number = 0; pair === undefined; number++) {
    const digits = begun.copy().update(String(number)).digest('hex').slice(0, 6);
    const other = seen.get(digits);
    if (other !== undefined) pair = [other, number];
    seen.set(digits, number);
  }
  const chains: string[] = [];
  for (const number of pair) {
    const file = path.join(directory, String(number));
    writeFileSync(file, Buffer.concat([tar, Buffer.from(String(number))]));
    chains.push(await served.cas(['layer', 'add', file]));
  }
  const [first = '', second = ''] = chains;
  const common = Array.from(first).findIndex((digit, index) => digit !== second[index]);
  const failure = await refused(t, served.cas(['layer', 'show', first.slice(0, common)]));
  t.is(codeOf(failure), 'LAYER_AMBIGUOUS');
  for (const chain of chains) t.true(failure.message.includes(chain));
  t.is((await served.json(['layer', 'show', first.slice(7, common + 1)]))[0]?.['chain'], first);
  t.is(codeOf(await refused(t, served.cas(['layer', 'show', first.slice(7, 12)]))), 'DIGEST_INVALID');
  t.is(codeOf(await refused(t, served.cas(['layer', 'show', 'x'.repeat(64)]))), 'DIGEST_INVALID');
});

test('an interrupted registration leaves nothing', async (t) => {
  const served = await ServedStore.open(t);
  const directory = temporaryDirectory(t);
  writeFileSync(path.join(directory, 'large'), Buffer.alloc(8 << 20, 'content'));
  execFileSync('tar', ['-C', directory, '-cf', `${directory}/large.tar`, 'large']);
  const tar = readFileSync(`${directory}/large.tar`);
  const cas = spawn(process.execPath, [CAS, '--root', served.root, 'layer', 'add', '-'], {
    stdio: ['pipe', 'ignore', 'inherit'],
  });
  cas.stdin.on('error', () => undefined).write(tar.subarray(0, tar.length - 20_000));
  await until('the daemon has begun', () => served.left().some((name) => name.startsWith('payloads/')));
  cas.kill('SIGINT');
  t.deepEqual(await once(cas, 'close'), [130, null]);
  await until('all is gone', () => served.left().length === 0);
  t.deepEqual(await served.json(['layer', 'ls']), []);
});

test('a tar comes from standard input or from a pipe, and goes to standard output', async (t) => {
  const served = await ServedStore.open(t);
  const file = tarOf(t, temporaryDirectory(t));
  const cas = `${process.execPath} ${CAS} --root ${served.root}`;
  const bash = (script: string): ReturnType<typeof run> => run('bash', ['-o', 'pipefail', '-c', script]);
  t.deepEqual(await bash(`cat ${file} | ${cas} layer add -`), {
    code: 0,
    stdout: `sha256:${TAR}\n`,
    stderr: '',
  });
  t.is((await bash(`${cas} layer add <(gzip < ${file})`)).stdout, `sha256:${TAR}\n`);
  t.is((await bash(`${cas} layer export ${TAR} | sha256sum`)).stdout, `${TAR}  -\n`);
  const wrong = await bash(`${cas} layer add ${file} --on ${TAR} --stack x`);
  t.is(wrong.code, 2);
  t.regex(wrong.stderr, /^cas: option .* cannot be used with option/);
  const broken = await bash(`(head -c 50000 ${file}; yes) | ${cas} layer add - --json`);
  t.is(broken.code, 1);
  t.regex(broken.stderr, /^cas: tar offset \d+: the bytes cannot be a layer: [^\n]*\n$/);
});

test('a tar is not written to a terminal, which shows how far a registration is', async (t) => {
  const served = await ServedStore.open(t);
  const file = tarOf(t, temporaryDirectory(t));
  const shown = path.join(temporaryDirectory(t), 'shown');
  const terminal = (command: string): ReturnType<typeof run> =>
    run('script', ['--quiet', '--flush', '--return', '--command', command, shown]);
  const cas = `${process.execPath} ${CAS} --root ${served.root}`;
  // The rest comes once it is shown how far it is.
  const told = `until grep -q "8 entries" ${shown}; do sleep 0.05; done`;
  const slowly = `sh -c '(head -c 100000 ${file}; ${told}; tail -c +100001 ${file}) | ${cas} layer add -'`;
  const added = await terminal(slowly);
  t.is(added.code, 0);
  t.regex(added.stdout, /\r\x1b\[K- +\d+\.\d KiB +8 entries/);
  t.true(added.stdout.trimEnd().endsWith(`\r\x1b[Ksha256:${TAR}`), JSON.stringify(added.stdout));
  const exported = await terminal(`${cas} layer export ${TAR}`);
  t.is(exported.code, 2);
  t.regex(exported.stdout, /^cas: a tar is not for a terminal/);
});
