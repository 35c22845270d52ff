import { join } from 'node:path';
import { Database } from '../../../store/metadata/database.js';
import { put } from './tenant.js';

/** Builds the database of a Tenant without an end, and tells each batch. */
const [root = ''] = process.argv.slice(2);
const database = new Database(join(root, 'meta'), {
  damaged: join(root, 'damaged'),
  contents: 'test',
  rebuild: async (write) => {
    for (let number = 0; ; number++) {
      await write([put(`of the first build ${number}`, '')]);
      console.log(number);
    }
  },
  report: () => undefined,
});
await database.whole();
