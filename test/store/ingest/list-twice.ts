import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import { openStore } from '../../../store/store.js';
import { errnoFrom } from '../../helpers/errno.js';

/** Lists the ingests of a store with hardly a descriptor left, then with some more, and prints how that went. */
const store = await openStore(process.argv[2] ?? '');
const open = fs.readdirSync('/proc/self/fd').length;
execFileSync('prlimit', [`--nofile=${open + 100}:`, `--pid=${process.pid}`]);
const taken: number[] = [];
for (let free = 98; free > 0; free--) taken.push(fs.openSync('/dev/null', 'r'));
const first = await errnoFrom(() => store.ingests.list());
for (const fd of taken) fs.closeSync(fd);
console.log(`${first}, then ${(await store.ingests.list()).length}`);
await store.close();
