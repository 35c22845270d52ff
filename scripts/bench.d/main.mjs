// scripts/bench: measures cas-mount against the disk below and against its peers.
import { existsSync, writeFileSync } from 'node:fs';
import { cpus, release } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { cleanUp } from './cleanup.mjs';
import { makeDisk } from './disk.mjs';
import { installPeers } from './install-peers.mjs';
import { buildPassthrough } from './passthrough.mjs';
import { table } from './report.mjs';
import { rows as commitSmall } from './rows/commit-small.mjs';
import { rows as imageCopy } from './rows/image-copy.mjs';
import { rows as imageExport } from './rows/image-export.mjs';
import { rows as ingest } from './rows/ingest.mjs';
import { rows as layerMemory } from './rows/layer-memory.mjs';
import { rows as layerViews } from './rows/layer-views.mjs';
import { rows as layers } from './rows/layers.mjs';
import { rows as read } from './rows/read.mjs';
import { rows as resume } from './rows/resume.mjs';
import { rows as startUp } from './rows/start-up.mjs';
import { rows as walk } from './rows/walk.mjs';

const ROWS = {
  ...read,
  ...walk,
  ...ingest,
  ...commitSmall,
  ...resume,
  ...startUp,
  ...imageCopy,
  ...imageExport,
  ...layers,
  ...layerViews,
  ...layerMemory,
};
const FULL = {
  large: 2 ** 30,
  resumed: 2 ** 32,
  small: 2000,
  listed: 10_000,
  commits: 10_000,
  stored: 200_000,
  entries: 1_000_000,
  disk: 16,
};
const QUICK = {
  large: 2 ** 27,
  resumed: 2 ** 28,
  small: 200,
  listed: 1000,
  commits: 1000,
  stored: 5000,
  entries: 20_000,
  disk: 2,
};

const USAGE = `usage: scripts/bench [options] [row…]

rows: ${Object.keys(ROWS).join(' ')} (default: all);
      "layers" is all whose name begins with it

  --json FILE      also write the figures as JSON
  --disk DIR       measure in DIR instead of on a new ext4 (which needs root)
  --repeats N      samples of each figure (default 5, with --quick 3)
  --quick          small sizes, to try the benchmark out: its figures mean nothing
  --install-peers  install skopeo, podman, containerd, umoci and tar-split where they are missing
  --program FILE   the cas-mount.js to measure (default: the one of this checkout)

The exit code is 1 when a bar is not met. TMPDIR is where the file system image is made.
`;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    json: { type: 'string' },
    disk: { type: 'string' },
    repeats: { type: 'string' },
    quick: { type: 'boolean', default: false },
    'install-peers': { type: 'boolean', default: false },
    program: { type: 'string', default: join(import.meta.dirname, '../../dist/src/cas-mount.js') },
    help: { type: 'boolean', short: 'h', default: false },
  },
});
if (values.help) {
  process.stdout.write(USAGE);
  process.exit(0);
}
const chosen = positionals.flatMap((name) =>
  name === 'layers' ? Object.keys(ROWS).filter((row) => row.startsWith('layers-')) : [name],
);
const unknown = chosen.filter((name) => !(name in ROWS));
const repeats = Number(values.repeats ?? (values.quick ? 3 : 5));
if (unknown.length > 0 || !(repeats >= 1)) {
  process.stderr.write(
    `${unknown.length > 0 ? `unknown row: ${unknown.join(' ')}` : '--repeats needs a number'}\n\n${USAGE}`,
  );
  process.exit(2);
}

const log = (text) => process.stderr.write(`bench: ${text}\n`);
const notes = [];
const sizes = values.quick ? QUICK : FULL;
const context = {
  sizes,
  repeats,
  program: values.program,
  large: `${sizes.large / 2 ** 20} MiB`,
  note(text) {
    log(text);
    if (!notes.includes(text)) notes.push(text);
  },
  progress: log,
};

async function measure() {
  if (values['install-peers']) await installPeers(context);
  log('making the file system');
  const { base, disk, note } = await makeDisk({ directory: values.disk, gibibytes: sizes.disk });
  Object.assign(context, { base, disk });
  if (!existsSync(context.program))
    context.note(`${context.program} is not there: only the peers are measured`);
  context.passthrough = await buildPassthrough(context);
  if (context.passthrough.note) context.note(context.passthrough.note);
  const entries = [];
  for (const name of chosen.length > 0 ? chosen : Object.keys(ROWS)) {
    log(`row ${name}`);
    try {
      entries.push(...(await ROWS[name](context)));
    } catch (error) {
      context.note(`${name}: ${error.message}`);
      entries.push({
        what: name,
        system: 'cas-mount',
        value: null,
        samples: [],
        ratio: null,
        bar: '',
        met: false,
      });
    }
  }
  return {
    kernel: release(),
    cores: cpus().length,
    processor: cpus()[0]?.model,
    node: process.version,
    disk: note,
    repeats,
    quick: values.quick,
    entries,
  };
}

let report;
try {
  report = await measure();
} catch (error) {
  log(error.message);
  process.exitCode = 1;
} finally {
  cleanUp();
}
if (report) {
  const { entries, ...about } = report;
  process.stdout.write(
    `\n${about.processor}, ${about.cores} cores, Linux ${about.kernel}, Node ${about.node}; ${about.disk}; medians of ${repeats}\n\n`,
  );
  process.stdout.write(`${table(entries)}\n`);
  for (const note of notes) process.stdout.write(`note: ${note}\n`);
  if (values.json) writeFileSync(values.json, `${JSON.stringify({ ...about, notes, entries }, null, 2)}\n`);
  if (entries.some((entry) => entry.met === false)) process.exitCode = 1;
}
