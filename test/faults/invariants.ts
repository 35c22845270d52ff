import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const execute = promisify(execFile);

/** Prints each file of a store's `blobs/` whose bytes are not what its name says, and each that has no such name. */
const WRONG = `
[[ -d $1/blobs ]] || exit 0
cd "$1/blobs"
for entry in "sha256 sha256sum" "sha512 sha512sum" "blake3 b3sum"; do
  read -r algorithm tool <<< "$entry"
  [[ -d $algorithm ]] || continue
  find "$algorithm" -mindepth 1 -not -type f
  find "$algorithm" -type f -print0 | xargs -0 -r -n 1000 "$tool" |
    awk -v prefix="$algorithm/" '$2 != prefix $1 { print }'
done`;

/**
 * What stands in the `blobs/` of a store, or of a mount, and is not what its name says; found by sha256sum, sha512sum
 * and b3sum. Empty where all is right.
 */
export async function wrongBlobs(root: string): Promise<string> {
  const { stdout } = await execute('bash', ['-euo', 'pipefail', '-c', WRONG, 'wrong-blobs', root], {
    timeout: 60_000,
    maxBuffer: 1 << 24,
  });
  return stdout;
}
