import { createHash } from 'node:crypto';
import fs from 'node:fs';
import test from 'ava';
import { run } from '../src/process/site.js';
import { temporaryDirectory } from '../helpers/temporary.js';
import { sourceOf } from './compile.js';

/* The verifier must find what it is for: a store that is whole has no violations, one that is not has exactly those. */

const CONTENT = 'content\n';
const HEX = createHash('sha256').update(CONTENT).digest('hex');
const KEY = createHash('sha256').update('ref').digest('hex');

/** A store with one blob and one ingest, and what was acknowledged of them. */
function makeStore(root: string): void {
  fs.mkdirSync(`${root}/blobs/sha256`, { recursive: true });
  fs.writeFileSync(`${root}/blobs/sha256/${HEX}`, CONTENT, { mode: 0o444 });
  fs.mkdirSync(`${root}/ingest/${KEY}/hashstates/sha256`, { recursive: true });
  fs.writeFileSync(`${root}/ingest/${KEY}/hashstates/sha256/4`, '');
  for (const [name, text] of Object.entries({
    ref: 'ref',
    data: 'cont',
    total: '8',
    checkpoints: '',
    boot: 'id',
  }))
    fs.writeFileSync(`${root}/ingest/${KEY}/${name}`, text);
  fs.mkdirSync(`${root}/directories`);
  fs.writeFileSync(`${root}/directories/${KEY}`, 'ref');
  fs.mkdirSync(`${root}/fresh`);
  for (const name of ['lock', 'format']) fs.writeFileSync(`${root}/${name}`, '');
  fs.writeFileSync(`${root}.source`, CONTENT);
  fs.writeFileSync(`${root}.acked`, `sha256:${HEX} ${CONTENT.length}\n`);
  fs.writeFileSync(`${root}.ingests`, `4 sha256:${'0'.repeat(64)} ${root}.source ref\n`);
}

/** The invariants that are violated, each once. */
async function violated(root: string): Promise<string> {
  const args = [sourceOf('verify.sh'), root, 'acked', `${root}.acked`, 'ingests', `${root}.ingests`];
  const { code, stdout, stderr } = await run('bash', args);
  if (code !== 0 && code !== 1) throw new Error(stderr);
  const found = stdout.match(/^I\d/gm) ?? [];
  if (code === 0 && found.length > 0) throw new Error(`exit code 0 with ${stdout}`);
  return [...new Set(found)].sort().join(' ');
}

/** Each damage with the invariants that it violates. */
const DAMAGES: Readonly<Record<string, [damage: (root: string) => unknown, violated: string]>> = {
  'no damage': [() => undefined, ''],
  'a blob with another byte': [
    (root) => {
      fs.chmodSync(`${root}/blobs/sha256/${HEX}`, 0o644);
      fs.writeFileSync(`${root}/blobs/sha256/${HEX}`, CONTENT.toUpperCase());
      fs.chmodSync(`${root}/blobs/sha256/${HEX}`, 0o444);
    },
    'I1',
  ],
  'a blob that can be written': [(root) => fs.chmodSync(`${root}/blobs/sha256/${HEX}`, 0o644), 'I1'],
  'a blob that is gone': [(root) => fs.rmSync(`${root}/blobs/sha256/${HEX}`), 'I2'],
  'a blob cut short': [(root) => fs.truncateSync(`${root}/blobs/sha256/${HEX}`, 3), 'I1 I2'],
  'another name in blobs': [
    (root) => fs.writeFileSync(`${root}/blobs/sha256/x`, '', { mode: 0o444 }),
    'I1 I5',
  ],
  'an ingest cut short': [(root) => fs.truncateSync(`${root}/ingest/${KEY}/data`, 3), 'I4'],
  'an ingest with another byte': [(root) => fs.writeFileSync(`${root}/ingest/${KEY}/data`, 'conT'), 'I4'],
  'an ingest that is gone': [(root) => fs.rmSync(`${root}/ingest/${KEY}`, { recursive: true }), 'I4'],
  'an ingest without a ref': [(root) => fs.rmSync(`${root}/ingest/${KEY}/ref`), 'I5'],
  'a temporary file': [(root) => fs.writeFileSync(`${root}/ingest/${KEY}/total.tmp`, ''), 'I5'],
  'a fresh ingest': [(root) => fs.writeFileSync(`${root}/fresh/eA`, ''), 'I5'],
  'a directory half-written': [(root) => fs.truncateSync(`${root}/directories/${KEY}`, 0), 'I5'],
  'another file in the root': [(root) => fs.writeFileSync(`${root}/format.tmp`, ''), 'I5'],
};

for (const [title, [damage, expected]] of Object.entries(DAMAGES)) {
  test.serial(`the verifier finds ${title}`, async (t) => {
    const root = `${temporaryDirectory(t)}/store`;
    makeStore(root);
    damage(root);
    t.is(await violated(root), expected);
  });
}
