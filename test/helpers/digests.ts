import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { type Algorithm, type Digest, parseDigest } from '../../store/digest.js';

const execute = promisify(execFile);

/** The independent tool that computes the digests of an algorithm. */
const TOOLS: Readonly<Record<Algorithm, string>> = {
  sha256: 'sha256sum',
  sha512: 'sha512sum',
  blake3: 'b3sum',
};

/** The digests of files, as sha256sum, sha512sum or b3sum print them, in the order of `paths`. */
export async function digestsOfFiles(algorithm: Algorithm, paths: readonly string[]): Promise<Digest[]> {
  const { stdout } = await execute(TOOLS[algorithm], ['--', ...paths]);
  const lines = stdout.split('\n').slice(0, paths.length);
  return lines.map((line) => parseDigest(`${algorithm}:${line.split(' ')[0] ?? ''}`));
}

/** The digest of one file; see {@link digestsOfFiles}. */
export async function digestOfFile(path: string, algorithm: Algorithm = 'sha256'): Promise<Digest> {
  const [digest] = await digestsOfFiles(algorithm, [path]);
  if (digest === undefined) throw new Error(`no digest of ${path}`);
  return digest;
}

/** The digest of bytes, which the tool reads from its standard input. */
export async function digestOfBytes(bytes: Uint8Array, algorithm: Algorithm = 'sha256'): Promise<Digest> {
  const running = execute(TOOLS[algorithm], ['-']);
  running.child.stdin?.end(bytes);
  const { stdout } = await running;
  return parseDigest(`${algorithm}:${stdout.split(' ')[0] ?? ''}`);
}
