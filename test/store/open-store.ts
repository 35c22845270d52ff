import { once } from 'node:events';
import { CasError } from '../../store/errors.js';
import { openStore } from '../../store/store.js';

/** Opens the store at the path given and says how that went; with `hold`, keeps it until its input ends. */
const [root = '', hold] = process.argv.slice(2);
try {
  const store = await openStore(root);
  console.log('opened');
  if (hold === 'hold') await once(process.stdin.resume(), 'end');
  await store.close();
} catch (error) {
  if (!(error instanceof CasError)) throw error;
  console.log(`${error.code} ${error.errno} ${error.message}`);
}
