import { run } from '../src/process/site.js';
import { type Check, eachAlone, type Rules } from './suite.js';
import { AS_ROOT } from './variants.js';

/** Runs a script in the mount as a user who did not mount it; what it says. */
async function stranger({ mount }: Check, script: string): Promise<string> {
  const args = ['--reuid=12345', '--regid=12345', '--clear-groups', 'bash', '-c', `${script}; true`];
  const { stdout, stderr } = await run('setpriv', args, {
    cwd: mount.mountpoint,
    env: { ...process.env, LC_ALL: 'C' },
  });
  return stdout + stderr;
}

const closed: Rules = {
  'without allow_other nobody else gets in': async (check) => {
    check.t.regex(await stranger(check, 'ls'), /Permission denied/);
  },
};

const shared: Rules = {
  'permissions and owners decide who may read, write and replace an ingest': async (check) => {
    const { t, source, sh } = check;
    const { src, blob } = await source();
    await sh('cp "$src" "$blob"; (umask 077; echo secret > ingest/secret); echo open > ingest/open', {
      src,
      blob,
    });
    t.is(await stranger(check, `cmp ${src} ${blob} && cat ingest/open`), 'open\n');
    t.regex(await stranger(check, 'cat ingest/secret'), /Permission denied/);
    t.regex(await stranger(check, 'echo x >> ingest/open'), /Permission denied/);
    t.regex(await stranger(check, 'echo x > ingest/new'), /Permission denied/);
    t.regex(await stranger(check, `rm -f ${blob}`), /Permission denied/);
    t.regex(await stranger(check, `mv ingest/open ingest/other`), /Permission denied/);
    await sh('chmod 0666 ingest/open');
    t.is(await stranger(check, 'echo more >> ingest/open; cat ingest/open'), 'open\nmore\n');
    await sh(
      'chown 12345:12345 ingest/secret; chmod 6755 ingest/secret; is "$(stat -c "%a %u %g" ingest/secret)" "755 12345 12345"',
    );
    t.is(await stranger(check, 'chmod 600 ingest/secret; cat ingest/secret'), 'secret\n');
    t.regex(await stranger(check, 'chown 0 ingest/secret'), /Operation not permitted/);
  },
};

const open: Rules = {
  'with a umask of 0 everyone may write, owns what they write, and removes nothing of others': async (
    check,
  ) => {
    const { t, source, sh } = check;
    const { src, blob } = await source();
    await sh('echo mine > ingest/mine');
    t.is(await stranger(check, `cp ${src} ingest/theirs; stat -c '%u %g' ingest/theirs`), '12345 12345\n');
    t.regex(await stranger(check, 'rm -f ingest/mine'), /Operation not permitted/);
    t.is(
      await stranger(
        check,
        `mv ingest/theirs ${blob} && cmp ${src} ${blob} && mkdir -p ingest/d/e && rmdir ingest/d/e`,
      ),
      '',
    );
  },
};

eachAlone(AS_ROOT, closed);
eachAlone(AS_ROOT, shared, { args: ['-o', 'allow_other'] });
eachAlone(AS_ROOT, open, { args: ['-o', 'allow_other,umask=0'] });
