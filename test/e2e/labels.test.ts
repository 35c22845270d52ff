import fs from 'node:fs';
import { join } from 'node:path';
import { eachAlone, type Check, type Rules } from './suite.js';
import { until } from '../src/process/site.js';
import { AS_ROOT } from './variants.js';

const DAMAGED = 'the metadata database was damaged and is rebuilt';
const BUILT = 'the metadata database is built';

/** What `cas ls` lists with such labels: the hex digits, sorted. */
async function listed({ t, mount }: Check, ...labels: string[]): Promise<string[]> {
  const options = labels.flatMap((label) => ['--label', label]);
  const { code, stdout, stderr } = await mount.site.cas([
    '--root',
    mount.site.store,
    '--json',
    'ls',
    ...options,
  ]);
  t.is(code, 0, stderr);
  const lines = stdout.split('\n').filter((line) => line !== '');
  return lines.map((line) => (JSON.parse(line) as { digest: string }).digest.replace('sha256:', '')).sort();
}

function events({ mount }: Check, message: string): Record<string, unknown>[] {
  return mount.site.log.filter(({ msg }) => msg === message);
}

/** The log of LevelDB in the directory of the index. */
function logOf(meta: string): string {
  const names = fs.readdirSync(join(meta, 'rows')).filter((name) => /^\d+\.log$/.test(name));
  return join(meta, 'rows', names.sort().at(-1) ?? 'none');
}

/** What may befall the index in `meta`. */
const DAMAGE: Readonly<Record<string, (meta: string) => void>> = {
  'a log that was cut': (meta) => fs.truncateSync(logOf(meta), fs.statSync(logOf(meta)).size - 1),
  'no log': (meta) => fs.rmSync(logOf(meta)),
  'no CURRENT': (meta) => fs.rmSync(join(meta, 'rows', 'CURRENT')),
  'no witness': (meta) => fs.rmSync(join(meta, 'witness')),
};

const rules: Rules = {
  'blobs are listed by their labels, whatever befell the index while no daemon ran': async (check) => {
    const { t, mount, source, sh } = check;
    const [a, b, c] = [await source(10), await source(11), await source(12)];
    for (const { src, blob } of [a, b, c]) await sh('cp "$src" "$blob"', { src, blob });
    await sh('setfattr -n user.cas.label.k -v v "$blob"', { blob: a.blob });
    await sh('setfattr -n user.cas.label.k -v other "$blob"', { blob: b.blob });
    await sh('setfattr -n user.cas.label.x.y/z -v "a = b" "$blob"', { blob: b.blob });
    const asTheyAre = async (): Promise<void> => {
      t.deepEqual(await listed(check, 'k'), [a.hex, b.hex].sort());
      t.deepEqual(await listed(check, 'k', 'x.y/z=a = b'), [b.hex]);
    };
    await asTheyAre();
    t.deepEqual(await listed(check, 'k=v'), [a.hex]);
    t.deepEqual(await listed(check, 'k=v', 'x.y/z'), []);
    t.deepEqual(await listed(check), [a.hex, b.hex, c.hex].sort());
    for (const [what, damage] of Object.entries(DAMAGE)) {
      const before = events(check, DAMAGED).length;
      const built = events(check, BUILT).length;
      await mount.kill();
      damage(join(mount.site.store, 'meta'));
      await mount.mount();
      await asTheyAre();
      await until('the index is built again', () => events(check, BUILT).length > built);
      await asTheyAre();
      const told = events(check, DAMAGED).slice(before);
      t.is(told.length, 1, what);
      t.like(told[0], { level: 'warn', code: 'METADATA_DAMAGED', subject: join(mount.site.store, 'meta') });
      t.true(fs.existsSync(join(String(told[0]?.['moved']), 'rows', 'LOG')), what);
    }
    await mount.kill();
    await mount.mount();
    await asTheyAre();
    t.is(events(check, DAMAGED).length, Object.keys(DAMAGE).length, 'kill -9 alone damages nothing');

    await sh('setfattr -x user.cas.label.k "$a"; rm "$b"', { a: a.blob, b: b.blob });
    t.deepEqual(await listed(check, 'k'), []);
    await sh('cp "$src" "$blob"; [[ -z $(getfattr -m label "$blob") ]]', { src: b.src, blob: b.blob });
    t.deepEqual(await listed(check, 'x.y/z'), []);
    t.is((await mount.status()).defects, 0);
  },

  'a label that cas ls cannot look for is a usage error': async ({ t, mount }) => {
    const { code, stderr } = await mount.site.cas(['--root', mount.site.store, 'ls', '--label', '=v']);
    t.is(code, 2);
    t.regex(stderr, /label/);
  },
};

eachAlone(AS_ROOT, rules);
