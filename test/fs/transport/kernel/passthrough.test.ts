import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { seededBytes } from '../../../helpers/bytes.js';
import { temporaryDirectory } from '../../../helpers/temporary.js';
import { type MountedTree, mountTree } from './mounted-tree.js';

/** A file of the disk, and the tree that shows it as `backed`. */
async function backedTree(
  t: ExecutionContext,
  user?: number,
): Promise<{ source: string; tree: MountedTree }> {
  const source = join(temporaryDirectory(t), 'source');
  writeFileSync(source, seededBytes(3_000_001));
  return { source, tree: await mountTree(t, { backed: source, ...(user !== undefined && { user }) }) };
}

/** Copies piece by piece with odd sizes and offsets, and compares. */
const PIECES = `
  cmp backed "$source" && cat backed | cmp - "$source"
  for bs in 1000 4096 65537 2000000; do dd if=backed bs=$bs status=none | cmp - "$source"; done
  dd if=backed bs=999983 skip=2 status=none > "$source.a"; dd if="$source" bs=999983 skip=2 status=none > "$source.b"
  cmp "$source.a" "$source.b"; dd if=backed bs=1 skip=3000001 status=none | wc -c; stat -c %s backed
`;

test.serial('a file with a descriptor below it is read by the kernel alone', async (t) => {
  const { source, tree } = await backedTree(t);
  t.true(tree.passthrough);
  t.is(await tree.shell(`source=${source}; ${PIECES}`), '0\n3000001\n');
  const { answered } = await tree.reportWhen(({ open }) => open === 0);
  t.is(answered?.['READ'], undefined);
});

test.serial('opens of one file at a time share what they are passed through to', async (t) => {
  const { source, tree } = await backedTree(t);
  const compare = `cmp backed ${source} & cmp backed ${source} & exec 5< backed; exec 6< backed; exec 5<&-`;
  t.is(
    await tree.shell(`for i in 1 2 3 4 5; do ${compare}; cat <&6 | cmp - ${source}; wait; done; echo ok`),
    'ok\n',
  );
  const { defects } = await tree.reportWhen(({ open }) => open === 0);
  t.deepEqual(defects, []);
});
