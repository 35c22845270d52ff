import test from 'ava';
import { CAS, run, Site } from './site.js';

test.serial('cas shows what is in a mounted store, which it finds by itself inside the mount', async (t) => {
  const site = new Site(t);
  await site.mount();
  const hex = (await run('sh', ['-c', 'printf content | sha256sum'])).stdout.slice(0, 64);
  const script = `printf content > ingest/x && mv ingest/x blobs/sha256/${hex} && mkdir ingest/d && printf part > ingest/d/y`;
  t.is((await run('sh', ['-ec', script], { cwd: site.mountpoint })).code, 0);

  const cas = (...args: string[]): Promise<{ code: number | null; stdout: string; stderr: string }> =>
    run(process.execPath, [CAS, ...args], {
      cwd: `${site.mountpoint}/ingest`,
      env: { PATH: process.env['PATH'] },
    });
  t.regex((await cas('ls')).stdout, new RegExp(`^sha256:${hex}\t7\t\\d{4}-[^\n]*Z\n$`));
  t.is((await cas('ls', '--alg', 'sha512')).stdout, '');
  const [ingest] = (await cas('ingests', '--json')).stdout.trimEnd().split('\n');
  t.like(JSON.parse(ingest ?? ''), { ref: 'd/y', size: 4, total: null, error: null });
  t.regex((await cas('status')).stdout, new RegExp(`^mountpoint\t${site.mountpoint}$`, 'm'));

  const wrong = await cas('ls', '--alg', 'md5');
  t.is(wrong.code, 2);
  t.regex(wrong.stderr, /^cas: [^\n]*algorithm[^\n]*sha256[^\n]*\n$/);
});

test.serial(
  'cas finds the store of a mount that is named, and stops when its reader has seen enough',
  async (t) => {
    const site = new Site(t);
    await site.mount();
    const list = `${process.execPath} ${CAS} --mount ${site.mountpoint}/blobs status | head -n 1`;
    const { code, stdout, stderr } = await run('bash', ['-o', 'pipefail', '-c', list]);
    t.deepEqual([code, stderr], [0, '']);
    t.regex(stdout, /^version\t/);
  },
);

test.serial('the mount shows the same status as the socket', async (t) => {
  const site = new Site(t);
  await site.mount();
  const shown = JSON.parse((await run('cat', [`${site.mountpoint}/.cas/stats`])).stdout) as object;
  t.like(shown, { pid: site.daemon, store: { path: site.store } });
});
