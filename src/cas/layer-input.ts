import { realpathSync, statSync } from 'node:fs';
import { open } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { isAlgorithm } from '../../store/digest.js';
import { Failure, TOOL_EXIT } from '../failure.js';

/** What is to become a layer, as a request names it, and its bytes where the request has them. */
export interface LayerInput {
  readonly query: { readonly path?: string; readonly digest?: string; readonly body?: string };
  readonly body?: Readable;
}

/** What cannot be mistaken for the name of a file, as those of digests are without their algorithm. */
const DIGEST = /^([a-z0-9]+):[0-9a-f]+$/;
const DIGITS = /^[0-9a-f]{6,64}$/;

/**
 * Finds out what an argument is: `-` for standard input, a digest, or else a file. The daemon opens files by itself;
 * what it could not find, such as a pipe, is sent to it.
 * @param bare whether hex digits alone, where they name no file, are a digest
 * @throws Failure for what is no file
 */
export async function layerInput(text: string, bare: boolean): Promise<LayerInput> {
  if (text === '-') return standardInput();
  const algorithm = DIGEST.exec(text)?.[1];
  if (algorithm !== undefined && isAlgorithm(algorithm)) return { query: { digest: text } };
  const stats = statSync(text, { throwIfNoEntry: false });
  if (stats === undefined && bare && DIGITS.test(text)) return { query: { digest: text } };
  if (stats === undefined) throw new Failure(TOOL_EXIT.failure, `${text}: no such file`);
  if (stats.isDirectory()) throw new Failure(TOOL_EXIT.failure, `${text}: a directory, not a tar`);
  if (stats.isFile()) return { query: { path: realpathSync(text) } };
  return { query: { body: 'true' }, body: (await open(text)).createReadStream() };
}

/** The path of a plain file for the daemon. @throws Failure */
export function plainFile(text: string): string {
  if (statSync(text, { throwIfNoEntry: false })?.isFile() === true) return realpathSync(text);
  throw new Failure(TOOL_EXIT.failure, `${text}: no such file`);
}

function standardInput(): LayerInput {
  if (!process.stdin.isTTY) return { query: { body: 'true' }, body: process.stdin };
  throw new Failure(TOOL_EXIT.usage, 'standard input is a terminal: no tar comes from there');
}
