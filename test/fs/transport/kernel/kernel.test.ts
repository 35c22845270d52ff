import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { seededBytes } from '../../../helpers/bytes.js';
import { temporaryDirectory } from '../../../helpers/temporary.js';
import { mountTree, shell } from './mounted-tree.js';

const A255 = 'a'.repeat(255);

/** What a shell does with files, and what it prints. `stat -c` leaves out what no two filesystems share. */
const SESSION = `
  exec 2>&1
  echo one > file; cat file; echo two >> file; cat file; wc -c < file
  truncate -s 3 file; cat file; echo; : > file; stat -c '%s %F' file
  printf 123456 | dd of=file bs=1 seek=2 conv=notrunc status=none; od -c file
  mkdir -p a/b/c; rmdir a/b/c; ls -R; rmdir a; mkdir -m 700 private; stat -c '%a %F %h' private
  ln -s ../target link; readlink link; stat -c '%F %s' link; cat link
  ln file hard; stat -c '%h' file hard; [ file -ef hard ] && echo same; rm hard; stat -c '%h' file
  mv file a/b/file; ls a a/b; mv a/b/file file; mv -n file private; ls private
  mv private/file .; touch other; mv -n other file; ls; mv other file; ls
  chmod 640 file; stat -c %a file; touch -d '2001-02-03 04:05:06.789012345 UTC' file
  TZ=UTC stat -c '%y' file; touch -d '1969-12-31 23:59:58.5 UTC' file; TZ=UTC stat -c '%y' file
  chown 12:34 file; stat -c '%u:%g' file
  setfattr -n user.colour -v blue file; getfattr -d file; setfattr -x user.colour file; getfattr -d file
  getfattr -n user.none file
  fallocate -l 5000 file; stat -c %s file; cp file copy; cmp file copy && echo equal
  dd if=/dev/zero of=big bs=1M count=3 status=none; sha256sum big; sync -d big; sync private
  (umask 077; echo x > masked; mkdir masked-dir); stat -c '%a' masked masked-dir
  rm nothing; rmdir file; cat a; ls nowhere; mkdir file; ln -s x file
  touch ${A255}; ls | tail -1 | wc -c; touch ${A255}a
  rm -r *; ls -A | wc -l
`;

test.serial('a shell sees through the mount what it sees on a disk', async (t) => {
  const tree = await mountTree(t);
  const disk = temporaryDirectory(t);
  const place = (path: string): string => `cd ${path} && ${SESSION}`;
  t.is(await tree.shell(place('work')), await shell(place(disk), disk));
  t.deepEqual((await tree.ask('report')).defects, []);
});

test.serial('special files are refused with EPERM', async (t) => {
  const tree = await mountTree(t);
  t.regex(await tree.shell('mkfifo work/pipe 2>&1 || true'), /Operation not permitted/);
});

test.serial('df shows the figures of the filesystem', async (t) => {
  const tree = await mountTree(t);
  const columns = '--output=fstype,source,size,used,avail,itotal,iavail';
  const [, line] = (await tree.shell(`df -B4096 ${columns} .`)).split('\n');
  t.is(line?.replace(/ +/g, ' '), 'fuse.cas-mount /a store, spaced 1000 400 500 100 90');
});

test.serial('the kernel may set no set-id bits or open devices unless told so', async (t) => {
  const plain = await mountTree(t);
  const chosen = await mountTree(t, { options: 'suid,noexec,noatime' });
  const options = (path: string): Promise<string> => shell(`findmnt -n -o OPTIONS ${path}`, '/');
  t.regex(await options(plain.path), /^rw,nosuid,nodev,relatime,/);
  t.regex(await options(chosen.path), /^rw,nodev,noexec,noatime,/);
});

test.serial('permissions are the kernel’s to check', async (t) => {
  const tree = await mountTree(t, { options: 'allow_other' });
  await tree.shell('echo secret > work/mine; chmod 600 work/mine');
  const other = shell(`cat ${tree.path}/hello; cat ${tree.path}/work/mine 2>&1 || true`, '/', 65534);
  t.regex(await other, /^hello\n.*Permission denied/);
});

test.serial('a listing of 10,000 names is complete and has each once', async (t) => {
  const tree = await mountTree(t);
  const expected = await shell('seq -f file-%.0f 0 9999 | sort', '/');
  t.is(await tree.shell('ls -U many | sort'), expected);
  t.is(await tree.shell('ls -lU many | tail -n +2 | tr -s " " | cut -d" " -f9 | sort'), expected);
  t.is(await tree.shell('find many -type f -size 0 -printf "%f\\n" | sort'), expected);
  const { answered } = await tree.ask('report');
  t.true((answered?.['READDIRPLUS'] ?? 0) > 0);
});

test.serial('what the kernel has forgotten is dropped', async (t) => {
  const tree = await mountTree(t);
  const { inodes: before = 0 } = await tree.ask('report');
  await tree.shell('stat -c %n many/* hello > /dev/null; cat hello; ls -l many > /dev/null');
  t.true(((await tree.ask('report')).answered?.['LOOKUP'] ?? 0) > 10_000);
  // FORGET and RELEASE come some time after what caused them. A leak ends in the time limit of the test.
  for (;;) {
    await shell('sync; echo 2 > /proc/sys/vm/drop_caches', '/');
    const { inodes = 0, open } = await tree.ask('report');
    if (inodes <= before + 3 && open === 0) break;
  }
  t.pass();
});

test.serial('an absence is remembered where the directory allows it', async (t) => {
  const tree = await mountTree(t);
  // Other tests let the whole kernel forget, at any moment.
  const asked: number[] = [];
  while (!asked.includes(1) && asked.length < 20) {
    const { lookups: before = 0 } = await tree.ask('report');
    await tree.shell(`for i in 1 2 3 4 5; do ! [ -e forgetful/none-${asked.length} ]; done`);
    asked.push(((await tree.ask('report')).lookups ?? 0) - before);
  }
  t.is(asked.at(-1), 1, asked.join());
});

test.serial('whatever a handler throws, the caller gets EIO and the mount lives', async (t) => {
  const tree = await mountTree(t);
  for (const name of ['throwing', 'rejecting', 'overfull']) {
    t.regex(await tree.shell(`cat ${name} 2>&1 || true`), /Input\/output error/, name);
  }
  t.is(await tree.shell('cat hello'), 'hello\n');
  const { defects = [] } = await tree.ask('report');
  t.true(defects.includes('READ: no error at all'));
  t.true(defects.includes('OPEN: TypeError: a defect'));
  t.true(defects.some((defect) => defect.startsWith('READ: Error: the kernel refused')));
});

test.serial('a slow read holds up no other', async (t) => {
  const tree = await mountTree(t);
  const slow = tree.shell('cat slow');
  await tree.hears('waiting');
  t.is(await tree.shell('cat hello; ls -d work'), 'hello\nwork\n');
  await tree.ask('go');
  t.is(await slow, 'slow\n');
});

test.serial('a caller that is killed interrupts its request', async (t) => {
  const tree = await mountTree(t);
  const reader = spawn('cat', [join(tree.path, 'patient')]);
  const ended = new Promise((resolve) => reader.once('exit', (_, signal) => resolve(signal)));
  await tree.hears('waiting');
  reader.kill('SIGTERM');
  await tree.hears('interrupted');
  t.is(await ended, 'SIGTERM');
  t.is(await tree.shell('cat hello'), 'hello\n');
  t.deepEqual((await tree.ask('report')).defects, []);
});

test.serial('written data stays unchanged until the handler has let go of it', async (t) => {
  const tree = await mountTree(t);
  const source = join(temporaryDirectory(t), 'source');
  writeFileSync(source, seededBytes(12_000_000));
  await tree.shell(`dd if=${source} of=holding bs=1M status=none`);
  t.is(await tree.shell(`cmp ${source} holding && echo equal`), 'equal\n');
});

test.serial('after a notice the kernel asks again for content, and for a name', async (t) => {
  const tree = await mountTree(t);
  t.is(await tree.shell('cat remembered'), 'old\n');
  await tree.ask('change');
  t.is(await tree.shell('until cat remembered | grep -q new; do :; done; cat remembered'), 'new\n');
  await tree.ask('swap');
  t.is(await tree.shell('until cat remembered | grep -q other; do :; done; cat remembered'), 'other\n');
});
