// Start-up time and memory of an empty and a full store, and the way back after kill -9.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { layBlobs, makeStore } from '../blobs.mjs';
import { settle } from '../disk.mjs';
import { interleave, line } from '../measure.mjs';
import { mountCas } from '../mounts.mjs';
import { kill, run, until } from '../run.mjs';

const MEBIBYTE = 2 ** 20;
/** Size of the ingest that the killed daemon leaves behind, in MiB. */
const INGEST = 64;

async function seconds(action) {
  const start = process.hrtime.bigint();
  await action();
  return Number(process.hrtime.bigint() - start) / 1e9;
}

/** Resident memory of a process, in MiB (proc_pid_status(5), VmRSS in kB). */
function residentMemory(pid) {
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1]) / 1024;
}

function daemonOf(mount) {
  const pids = mount.pids();
  if (pids.length === 0) throw new Error(`no daemon serves ${mount.mountpoint}`);
  return pids[pids.length - 1];
}

async function startUp(context) {
  const count = context.sizes.stored;
  const stores = { empty: await makeStore(context, 'empty'), full: await makeStore(context, 'full') };
  layBlobs(stores.full, 'full', count, 64);
  await settle(context);
  const start = (store) => async () => {
    let mount;
    const time = await seconds(async () => (mount = await mountCas(context, store)));
    await run(['stat', '-f', mount.mountpoint]);
    const memory = residentMemory(daemonOf(mount));
    await mount.unmount();
    return { time, memory };
  };
  const results = await interleave(context, context.repeats + 2, {
    'empty store': start(stores.empty),
    [`${count} blobs`]: start(stores.full),
  });
  const [[, empty], [fullName, full]] = Object.entries(results);
  const memory = line('resident memory', `cas-mount, ${fullName}`, full, 'memory', {
    unit: 'MiB',
    against: ['empty', empty],
  });
  if (memory.ratio !== null) {
    memory.bar = '<= 20 MB more';
    memory.met = (memory.value - memory.value / memory.ratio) * MEBIBYTE <= 20e6;
  }
  return [
    line('start-up', 'cas-mount, empty store', empty, 'time', { unit: 's' }),
    line('start-up', `cas-mount, ${fullName}`, full, 'time', {
      unit: 's',
      against: ['empty', empty],
      bar: '<= 1.2',
    }),
    line('resident memory', 'cas-mount, empty store', empty, 'memory', { unit: 'MiB' }),
    memory,
  ];
}

async function recovery(context) {
  const store = await makeStore(context, 'recovery');
  const mount = await mountCas(context, store);
  const results = await interleave(context, context.repeats, {
    'cas-mount': async (repeat) => {
      const path = join(mount.mountpoint, `ingest/x${repeat}`);
      await run(['dd', 'if=/dev/urandom', `of=${path}`, 'bs=1M', `count=${INGEST}`]);
      const pid = daemonOf(mount);
      kill(pid, 'SIGKILL');
      await until(() => !mount.pids().includes(pid), 'the killed daemon is gone');
      const time = await seconds(mount.again);
      const size = Number(await run(['stat', '-c', '%s', path]));
      if (size !== INGEST * MEBIBYTE) throw new Error(`${path} has ${size} bytes after the new mount`);
      return { time };
    },
  });
  await mount.unmount();
  return [
    line('kill -9, then a new mount', 'cas-mount', results['cas-mount'], 'time', {
      unit: 's',
      bar: '<= 2',
      absolute: true,
    }),
  ];
}

export const rows = { 'start-up': startUp, recovery };
