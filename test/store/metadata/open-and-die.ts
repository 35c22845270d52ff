import { join } from 'node:path';
import { Database } from '../../../store/metadata/database.js';

/** Opens the database of a Tenant and ends by SIGKILL before its rows are scanned. */
const [root = ''] = process.argv.slice(2);
const database = new Database(join(root, 'meta'), {
  damaged: join(root, 'damaged'),
  contents: 'test',
  rebuild: () => Promise.reject(new Error('a rebuild')),
  report: (event) => console.log(event),
});
await database.get(Buffer.from('T'));
process.kill(process.pid, 'SIGKILL');
