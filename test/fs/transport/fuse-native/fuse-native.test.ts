import { spawn } from 'node:child_process';
import { readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { seededBytes } from '../../../helpers/bytes.js';
import { temporaryDirectory } from '../../../helpers/temporary.js';
import { mount, shell } from './mounted.js';

const A255 = 'a'.repeat(255);

/** What a shell does with files, and what it prints. */
const SESSION = `
  exec 2>&1
  echo one > file; cat file; echo two >> file; cat file; truncate -s 3 file; cat file; echo; : > file
  printf 123456 | dd of=file bs=1 seek=2 conv=notrunc status=none; od -c file; stat -c '%s %F %h' file
  mkdir -p a/b; mkdir -m 700 private; stat -c '%a %F' private; rmdir a; rmdir a/b; ls -R
  ln -s ../target link; readlink link; stat -c '%F %s' link; cat link
  ln file hard; stat -c '%h' file hard; [ file -ef hard ] && echo same; rm hard; stat -c '%h' file
  mv file a/file; ls a; mv a/file file; touch other; mv -n other file; ls; mv other file; ls
  chmod 640 file; stat -c %a file; chown 12:34 file; stat -c '%u:%g' file
  touch -d '2001-02-03 04:05:06.789012345 UTC' file; touch -m -d '1969-12-31 23:59:58.5 UTC' file
  TZ=UTC stat -c '%x %y' file
  setfattr -n user.colour -v blue file; getfattr -d file; setfattr -x user.colour file; getfattr -d file
  getfattr -n user.none file; setfattr -n user.large -v "$(head -c 3000 /dev/zero | tr '\\0' x)" file
  getfattr --only-values -n user.large file | wc -c
  fallocate -l 5000 file; stat -c %s file; cp file copy; cmp file copy && echo equal; sync -d file; sync private
  (umask 077; echo x > masked; mkdir masked-dir); stat -c '%a' masked masked-dir
  name=$(printf 'latin1-\\351'); echo x > "$name"; ln -s "$name" bytes; readlink bytes | od -c; ls | od -c
  rm nothing; rmdir file; cat a; ls nowhere; mkdir file; ln -s x file; mkfifo 2>/dev/null pipe && rm pipe
  touch ${A255}; ls | grep aaa | wc -c; touch ${A255}a
  rm -r *; ls -A | wc -l
`;

test.serial('a shell sees through the mount what it sees on a disk', async (t) => {
  const mounted = await mount(t);
  const disk = temporaryDirectory(t);
  t.is(await mounted.shell(`cd work; ${SESSION}`), await shell(SESSION, disk));
  t.deepEqual((await mounted.ask('report')).defects, []);
});

test.serial('df shows the figures of the filesystem, and what is mounted', async (t) => {
  const mounted = await mount(t, { source: '/a store, \\ spaced' });
  const columns = '--output=fstype,source,size,used,avail,itotal,iavail';
  const [, line] = (await mounted.shell(`df -B4096 ${columns} .`)).split('\n');
  t.is(line?.replace(/ +/g, ' '), 'fuse.cas-mount /a store, \\ spaced 1000 400 500 100 90');
});

test.serial('a file that is removed or replaced while open is read, written and closed', async (t) => {
  const mounted = await mount(t);
  const script = `
    cd work; for i in 1 2 3 4 5; do
      echo old > file; exec 3<> file; rm file; cat <&3; echo more >&3; stat -L -c %s /proc/self/fd/3; exec 3>&-
      echo old > file; exec 3< file; echo new > other; mv other file; cat <&3; cat file; exec 3>&-
    done; ls`;
  t.is(await mounted.shell(script), `${'old\n9\nold\nnew\n'.repeat(5)}file\n`);
});

test.serial('whatever a handler throws, the caller gets EIO and the mount lives', async (t) => {
  const mounted = await mount(t);
  for (const name of ['throwing', 'rejecting', 'overfull', 'unspeakable']) {
    t.regex(await mounted.shell(`cat ${name} 2>&1 || true`), /Input\/output error/, name);
  }
  t.is(await mounted.shell('cat hello'), 'hello\n');
  const { defects = [], pending } = await mounted.ask('report');
  t.is(pending, 0);
  t.true(defects.includes('READ: no error at all'));
  t.true(defects.includes('OPEN: TypeError: a defect'));
  t.true(defects.includes('READ: RangeError: a read of 4096 bytes gave 4097'));
  t.true(defects.some((defect) => defect.startsWith('LOOKUP: SyntaxError: Cannot convert large')));
});

test.serial('a refused open for writing truncates nothing', async (t) => {
  const mounted = await mount(t);
  t.regex(await mounted.shell('(: > busy) 2>&1 || true'), /busy/);
  t.is(await mounted.shell('cat busy'), 'busy\n');
  const { answered = [] } = await mounted.ask('report');
  t.false(answered.includes('SETATTR'));
});

test.serial('an offset that no number holds is refused with EFBIG', async (t) => {
  const mounted = await mount(t);
  const write = 'import os; os.pwrite(os.open("holding", os.O_WRONLY), b"x", 2**62)';
  t.regex(await mounted.shell(`python3 -c '${write}' 2>&1 || true`), /File too large/);
  t.regex(await mounted.shell('truncate -s 5E holding 2>&1 || true'), /File too large/);
});

test.serial('writes come in pieces of 128 KiB, unchanged until the handler has let go of them', async (t) => {
  const mounted = await mount(t);
  const source = join(temporaryDirectory(t), 'source');
  writeFileSync(source, seededBytes(12_000_000));
  await mounted.shell(`dd if=${source} of=holding bs=1M status=none`);
  t.is(await mounted.shell(`cmp ${source} holding && echo equal`), 'equal\n');
  t.is((await mounted.ask('report')).largestWrite, 131_072);
});

test.serial('a handler learns who calls', async (t) => {
  const mounted = await mount(t, { options: 'allow_other' });
  const as = (uid: number): string => `setpriv --reuid ${uid} --clear-groups cat uid`;
  t.is(await mounted.shell(`${as(0)}; ${as(12)}; ${as(65534)}`), '0\n12\n65534\n');
});

test.serial('permissions are the kernel’s to check', async (t) => {
  const mounted = await mount(t, { options: 'allow_other' });
  const other = 'setpriv --reuid 12 --clear-groups cat work/mine 2>&1 || true';
  t.regex(await mounted.shell(`echo x > work/mine; chmod 600 work/mine; ${other}`), /Permission denied/);
});

test.serial('a listing of 10,000 names is complete and has each once', async (t) => {
  const mounted = await mount(t);
  const expected = await shell('seq -f file-%.0f 0 9999 | sort', '/');
  t.is(await mounted.shell('ls -U many | sort'), expected);
  t.is(await mounted.shell('find many -type f -size 0 -printf "%f\\n" | sort'), expected);
});

test.serial('lookups and open handles are back where they were once the kernel has forgotten', async (t) => {
  const mounted = await mount(t);
  const { inodes: before = 0 } = await mounted.ask('report');
  await mounted.shell('mkdir work/x; echo y > work/x/y; rm -r work/x');
  // Other tests let the whole kernel forget, at any moment.
  do await mounted.shell('ls -lR . > /dev/null; cat many/* > /dev/null');
  while (((await mounted.ask('report')).inodes ?? 0) <= 10_000);
  // FORGET and RELEASE come some time after what caused them. A leak ends in the time limit of the test.
  for (;;) {
    await shell('sync; echo 2 > /proc/sys/vm/drop_caches', '/');
    await mounted.shell('cat hello');
    const { inodes = 0, open } = await mounted.ask('report');
    if (inodes <= before + 3 && open === 0) break;
  }
  t.pass();
});

test.serial('cached content is kept until the filesystem says that it is stale', async (t) => {
  const mounted = await mount(t);
  t.is(await mounted.shell('cat remembered; cat remembered'), 'old\nold\n');
  await mounted.ask('change');
  t.is(await mounted.shell('until cat remembered | grep -q new; do :; done; cat remembered'), 'new\n');
});

test.serial('a caller that is killed interrupts its request', async (t) => {
  const mounted = await mount(t);
  const reader = spawn('cat', [join(mounted.path, 'patient')]);
  const ended = new Promise((resolve) => reader.once('exit', (_, signal) => resolve(signal)));
  await mounted.hears('waiting');
  reader.kill('SIGTERM');
  await mounted.hears('interrupted');
  t.is(await ended, 'SIGTERM');
  t.deepEqual((await mounted.ask('report')).defects, []);
});

test.serial('the descriptor of /dev/fuse is closed on exec', async (t) => {
  const mounted = await mount(t);
  const process = `/proc/${mounted.child.pid ?? 0}`;
  const fd = readdirSync(`${process}/fd`).find((name) => {
    try {
      return readlinkSync(`${process}/fd/${name}`) === '/dev/fuse';
    } catch {
      return false;
    }
  });
  const flags = /flags:\t([0-7]+)/.exec(readFileSync(`${process}/fdinfo/${fd ?? ''}`, 'utf8'))?.[1];
  t.true((parseInt(flags ?? '0', 8) & 0o2000000) !== 0, 'O_CLOEXEC');
});

test.serial(
  'an option that libfuse does not know is refused in its words, and nothing stays mounted',
  async (t) => {
    const refused = { source: '/refused', options: 'ro,nosuch' };
    await t.throwsAsync(mount(t, refused), { message: /unknown option `nosuch'/ });
    t.is(await shell('grep -c "^/refused " /proc/mounts || true', '/'), '0\n');
    const mounted = await mount(t, { options: 'ro,noatime,nodiratime,suid' });
    t.regex(await shell(`findmnt -n -o OPTIONS ${mounted.path}`, '/'), /^ro,nodev,noatime,/);
  },
);
