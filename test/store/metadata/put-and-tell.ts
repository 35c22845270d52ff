import { join } from 'node:path';
import { Database } from '../../../store/metadata/database.js';
import { put } from './tenant.js';

/** Puts rows into the database of a Tenant, some at a time, and tells the number of each that was acknowledged. */
const [root = '', from = '0'] = process.argv.slice(2);
const database = new Database(join(root, 'meta'), {
  damaged: join(root, 'damaged'),
  contents: 'test',
  rebuild: () => Promise.resolve(),
  report: () => undefined,
});
await database.whole();
let next = Number(from);
const write = async (): Promise<never> => {
  for (;;) {
    const number = next++;
    await database.batch([put(`${number}`, `value ${number}`)]);
    console.log(number);
  }
};
await Promise.all(Array.from({ length: 4 }, write));
