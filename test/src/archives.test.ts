import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { PassThrough } from 'node:stream';
import test from 'ava';
import { ARCHIVE_COMMANDS } from '../../src/cas/archives.js';
import { Output } from '../../src/cas/output.js';
import { ControlClient } from '../../src/control/client.js';
import type { ControlFailure } from '../../src/control/protocol.js';
import { Failure } from '../../src/failure.js';
import { temporaryDirectory } from '../helpers/temporary.js';
import { inspected, sampleImage, sha256sum } from '../store/archives/images.js';
import { CAS, type Result, run, until } from './process/site.js';
import { ServedStore } from './served-store.js';

const sample = sampleImage();

/** Runs a script in which `cas` is ours, with the store that is served. */
function script({ root }: ServedStore, text: string): Promise<Result> {
  const cas = `cas() { ${process.execPath} ${CAS} --root ${root} "$@"; }`;
  return run('bash', ['-o', 'pipefail', '-c', `${cas}\n${text}`]);
}

test('archives and layouts are imported, and what is exported is read by skopeo', async (t) => {
  const served = await ServedStore.open(t);
  const entry = `small\t${sample.digest}`;
  t.is(await served.cas(['import', sample.layout]), entry);
  t.is(await served.cas(['import', sample.oci]), entry);
  t.is(
    await served.cas(['import', sample.oci], { name: ['a', 'b/c:1'] }),
    entry.replace('small', 'a') + `\nb/c:1\t${sample.digest}`,
  );
  const [docker] = await served.json(['import', sample.docker]);
  t.is(docker?.['name'], 'docker.io/busy/box:1');
  const file = path.join(temporaryDirectory(t), 'x.tar');
  await served.cas(['export', 'a', 'b/c:1'], { output: file });
  t.deepEqual(inspected(`oci-archive:${file}:b/c:1`), inspected(`oci:${sample.layout}:small`));
  await script(served, `cas export small --gzip --format docker-archive | gunzip > ${file}`);
  t.deepEqual(inspected(`docker-archive:${file}`).layers, sample.diffs);
  const { cause } = await t.throwsAsync(served.cas(['import', sample.oci], { name: ['..'] }), {
    instanceOf: Failure,
  });
  t.is((cause as ControlFailure).code, 'IMAGE_NAME_INVALID');
});

test('standard input and output, a refusal, and a blob that has gone bad', async (t) => {
  const served = await ServedStore.open(t);
  const directory = temporaryDirectory(t);
  const piped = await script(
    served,
    `gzip < ${sample.oci} | cas import - && cas export small -o - > ${directory}/out`,
  );
  t.deepEqual(piped, { code: 0, stdout: `small\t${sample.digest}\n`, stderr: '' });
  t.deepEqual(await script(served, `cas export small | cmp - ${directory}/out`), {
    code: 0,
    stdout: '',
    stderr: '',
  });
  // The daemon writes a plain file by itself, but no pipe, and through no link that leads to one.
  const written = await script(
    served,
    `cd ${directory}; echo old > to; ln -s to link; cas export small -o link && cmp link out; rm link to
    mkfifo pipe; cas export small -o pipe & cmp pipe out; wait; rm pipe`,
  );
  t.deepEqual(written, { code: 0, stdout: '', stderr: '' });
  const refused = await script(served, `head -c 4000 ${sample.docker} | cas import -`);
  t.is(refused.code, 1);
  t.regex(refused.stderr, /^cas: .*cannot be an archive of images.*\n$/);
  const [layer = ''] = inspected(`oci:${sample.layout}:small`).layers;
  const blob = path.join(served.root, 'blobs/sha256', layer.slice(7));
  const bytes = readFileSync(blob);
  chmodSync(blob, 0o644);
  writeFileSync(blob, Buffer.alloc(bytes.length));
  for (const format of ['oci', 'docker']) {
    const bad = await script(served, `cas export small --format ${format}-archive -o ${directory}/bad`);
    t.is(bad.code, 1);
    t.is(bad.stderr.includes(`${layer}: the blob is not what its name says`), true);
  }
  t.deepEqual(readdirSync(directory), ['out']);
  t.is((await script(served, 'cas export')).code, 2);
});

test('what the daemon cannot write comes through its socket, and what it did not write is refused', async (t) => {
  const served = await ServedStore.open(t);
  await served.cas(['import', sample.oci]);
  const directory = temporaryDirectory(t);
  const [whole, file] = [path.join(directory, 'whole'), path.join(directory, 'file')];
  await served.cas(['export', 'small'], { output: whole });
  const asked: string[] = [];
  const client = (lines: (path: string) => object): ControlClient => {
    const real = new ControlClient(served.root);
    return {
      async *lines(url: string) {
        asked.push('lines');
        yield await Promise.resolve(lines(new URLSearchParams(url.split('?')[1]).get('path') ?? ''));
      },
      bytes: (url: string) => {
        asked.push('bytes');
        return real.bytes(url);
      },
    } as unknown as ControlClient;
  };
  const run = (client: ControlClient): Promise<void> => exported(client, file);
  const failing = (code: string) => (): object => {
    throw new Failure(1, code, { code });
  };
  await run(client(failing('FILE_UNREACHABLE')));
  t.is(sha256sum(file), sha256sum(whole));
  rmSync(file);
  await t.throwsAsync(run(client(failing('BLOB_DAMAGED'))), { message: 'BLOB_DAMAGED' });
  const writing = (size: number) => (to: string) => {
    writeFileSync(to, 'abc');
    return { exported: { size } };
  };
  await t.throwsAsync(run(client(writing(4))), { message: /the daemon wrote 4 bytes, and there are 3$/ });
  t.deepEqual(readdirSync(directory), ['whole']);
  await run(client(writing(3)));
  t.is(readFileSync(file, 'utf8'), 'abc');
  t.deepEqual(asked, ['lines', 'bytes', 'lines', 'lines', 'lines']);
});

async function exported(client: ControlClient, output: string): Promise<void> {
  const command = ARCHIVE_COMMANDS.find(({ name }) => name === 'export');
  await command?.run(client, new Output('text', new PassThrough()), { output }, ['small']);
}

test('an import and an export that are interrupted leave nothing', async (t) => {
  const served = await ServedStore.open(t);
  const { ingests, images } = served.store;
  const bytes = readFileSync(sample.docker);
  const cas = spawn(process.execPath, [CAS, '--root', served.root, 'import', '-'], {
    stdio: ['pipe', 'ignore', 'inherit'],
  });
  cas.stdin.on('error', () => undefined).write(bytes.subarray(0, bytes.length / 2));
  await until('the daemon has begun', () => ingests.children('/').size > 0);
  cas.kill('SIGINT');
  t.deepEqual(await once(cas, 'close'), [130, null]);
  await until('all is gone', () => ingests.children('/').size === 0);
  t.deepEqual(images.current.index.manifests, []);

  const file = path.join(temporaryDirectory(t), 'whole.tar');
  await served.cas(['import', sample.oci]);
  await served.cas(['export', 'small'], { output: file });
  const before = sha256sum(file);
  const stopped = await script(
    served,
    `cas export small -o ${file} & sleep 0.05; kill -INT $!; wait $!; ls ${path.dirname(file)}`,
  );
  t.is(stopped.stdout, 'whole.tar\n');
  t.true(existsSync(file));
  t.is(sha256sum(file), before);
});
