import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { type ListedName, listDirectory } from '../../store/list-directory.js';
import { openDescriptors } from '../helpers/descriptors.js';
import { temporaryDirectory } from '../helpers/temporary.js';

async function listed(path: string): Promise<ListedName[]> {
  const names: ListedName[] = [];
  for await (const batch of listDirectory(path)) names.push(...batch);
  return names;
}

test('all names of a large directory are listed once, with the inode numbers and types of stat', async (t) => {
  const directory = temporaryDirectory(t);
  for (let index = 0; index < 3000; index++)
    fs.writeFileSync(join(directory, `${index}`.padStart(64, '0')), '');
  fs.mkdirSync(join(directory, 'directory'));
  fs.symlinkSync('target', join(directory, 'link'));
  fs.writeFileSync(join(directory, 'größe 📦'), '');
  const found = (await listed(directory)).map(({ name, ino }) => `${ino} ${name}`).sort();
  // ls -i pads the numbers.
  const expected = execFileSync('ls', ['-1aUi', directory], { encoding: 'utf8', maxBuffer: 1 << 24 })
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !/ \.\.?$/.test(line))
    .sort();
  t.deepEqual(found, expected);
  for (const { name, type } of (await listed(directory)).filter(({ name }) => !name.startsWith('0')))
    t.is(type, fs.lstatSync(join(directory, name)).mode & fs.constants.S_IFMT, name);
});

test('an empty directory has no names, and a missing one is an error', async (t) => {
  const directory = temporaryDirectory(t);
  t.deepEqual(await listed(directory), []);
  await t.throwsAsync(listed(join(directory, 'missing')), { code: 'ENOENT' });
  fs.writeFileSync(join(directory, 'file'), '');
  await t.throwsAsync(listed(join(directory, 'file')), { code: 'ENOTDIR' });
});

test('a list that is not read to its end closes the directory', async (t) => {
  const directory = temporaryDirectory(t);
  for (let index = 0; index < 2000; index++)
    fs.writeFileSync(join(directory, `${index}`.padStart(64, '0')), '');
  for await (const batch of listDirectory(directory)) {
    t.true(batch.length < 2000);
    t.deepEqual(openDescriptors(directory), [directory]);
    break;
  }
  t.deepEqual(openDescriptors(directory), []);
});
