import { readFileSync } from 'node:fs';
import { parseDigest } from '../../../store/digest.js';
import { USER } from '../../../store/layers/holders.js';
import { openLayers } from '../../../store/layers/open-layers.js';
import { errnoNameOf } from '../../helpers/errno.js';
import { sourceOf } from './tools.js';

/*
 * Changes the layers of a directory as it is told, a line for each: `register <path of a tar>` and `discard <chain>` for
 * the user. It answers with a line each: OK, or how that failed.
 */
const [root = ''] = process.argv.slice(2);
const opened = openLayers(root, {});
const { layers } = opened;
await layers.load();
console.log('ready');

async function change(command: string): Promise<unknown> {
  const [what, of = ''] = command.split(' ');
  if (what === 'register') return layers.register(sourceOf(readFileSync(of)), { holder: USER });
  return layers.discard(parseDigest(of));
}

process.stdin.setEncoding('utf8');
for await (const text of process.stdin) {
  const command = String(text).trimEnd();
  const outcome = await change(command).then(
    () => 'OK',
    (error: unknown) => errnoNameOf(error),
  );
  console.log(outcome);
}
await opened.close();
