import { CasError } from './errors.js';

/** More than the line of a segment has whose headers are as long as they may be. */
const LONGEST = 64 << 20;
const LINE_FEED = 0x0a;

/**
 * The lines of a text in UTF-8, without their ends.
 * @throws CasError LAYER_INVALID where one is longer than 64 MiB; what the chunks throw
 */
export async function* linesOf(chunks: AsyncIterable<Buffer>): AsyncGenerator<string> {
  let begun: Buffer[] = [];
  let length = 0;
  for await (const chunk of chunks) {
    let from = 0;
    for (let end = chunk.indexOf(LINE_FEED); end >= 0; end = chunk.indexOf(LINE_FEED, from)) {
      yield Buffer.concat([...begun, chunk.subarray(from, end)]).toString();
      [begun, length, from] = [[], 0, end + 1];
    }
    begun.push(chunk.subarray(from));
    length += chunk.length - from;
    if (length > LONGEST)
      throw new CasError('LAYER_INVALID', { expected: `lines of at most ${LONGEST} bytes` });
  }
  if (length > 0) yield Buffer.concat(begun).toString();
}
