import type { ControlClient, Sending } from '../control/client.js';
import type { LayerLine, RegisteredLine, RegistrationLine } from '../control/protocol.js';
import { Failure, TOOL_EXIT } from '../failure.js';
import type { Output } from './output.js';
import { ProgressLine } from './watch/progress-line.js';

/** A line that shows how far something is; undefined unless standard error is a terminal. */
export function progressLine({ format }: Output, name: string): ProgressLine | undefined {
  const shown = process.stderr.isTTY && process.env['TERM'] !== 'dumb' && format !== 'json';
  return shown ? new ProgressLine(process.stderr, name) : undefined;
}

/**
 * Has a layer registered and writes its chain. Where standard error is a terminal, it shows how far that is.
 * @param name what is being registered
 * @throws Failure with what the daemon says
 */
export async function writeRegistration(
  client: ControlClient,
  output: Output,
  name: string,
  url: string,
  body: Sending['body'],
): Promise<void> {
  const line = progressLine(output, name);
  let layer: LayerLine | undefined;
  try {
    for await (const told of client.lines(url, { method: 'POST', body }) as AsyncIterable<
      RegistrationLine | RegisteredLine
    >) {
      if ('layer' in told) layer = told.layer;
      else line?.show(told.progress);
    }
  } finally {
    line?.close();
  }
  if (layer === undefined)
    throw new Failure(TOOL_EXIT.failure, 'the daemon ended in the middle of its answer');
  await output.name(layer.chain, layer);
}
