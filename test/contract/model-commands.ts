import fc from 'fast-check';
import { digestOfBytes } from '../helpers/digests.js';
import { contentOf, ends, type Model, type ModelIngest, type Real } from './model.js';

type Command = fc.AsyncCommand<Model, Real>;

/** A step of a random run: what it does to the model and to the subject, and how it must end. */
function command(title: string, run: (model: Model, real: Real) => Promise<void>): Command {
  return { check: () => true, run, toString: () => title };
}

function open(index: number, truncate: boolean): Command {
  return command(`open(${index}, ${truncate ? 'truncate' : 'keep'})`, async (model, { subject, writers }) => {
    const ref = model.ref(index);
    const found = model.ingests.get(ref);
    const action = async (): Promise<void> => {
      writers.push(await subject.write(ref, truncate ? 'truncate' : 'keep'));
    };
    if (found?.open === true) return ends('EBUSY', action);
    await ends('OK', action);
    const ingest: ModelIngest = found ?? {
      content: Buffer.alloc(0),
      open: true,
      gone: false,
      total: undefined,
    };
    ingest.open = true;
    if (truncate) ingest.content = Buffer.alloc(0);
    model.ingests.set(ref, ingest);
    model.writers.push(ingest);
  });
}

/** Does something through one of the open files; nothing while there is none. */
function through(
  title: string,
  index: number,
  expected: (ingest: ModelIngest) => string,
  action: (writer: Real['writers'][number], ingest: ModelIngest) => Promise<void>,
  change: (ingest: ModelIngest) => void,
): Command {
  return command(`${title} through ${index}`, async (model, real) => {
    const ingest = model.writers[index % Math.max(1, model.writers.length)];
    const writer = real.writers[index % Math.max(1, real.writers.length)];
    if (ingest === undefined || writer === undefined) return;
    await ends(expected(ingest), () => action(writer, ingest));
    if (!ingest.gone) change(ingest);
  });
}

const unlessGone = ({ gone }: ModelIngest): string => (gone ? 'EBADF' : 'OK');

function write(index: number, offset: number, size: number, seed: number): Command {
  const data = contentOf(size, seed);
  return through(
    `write(${offset}, ${size}, seed ${seed})`,
    index,
    unlessGone,
    (writer) => writer.write(data, offset),
    (ingest) => {
      const longer = Buffer.alloc(Math.max(ingest.content.length, offset + size));
      ingest.content.copy(longer);
      data.copy(longer, offset);
      ingest.content = longer;
    },
  );
}

function append(index: number, size: number, seed: number): Command {
  const data = contentOf(size, seed);
  return through(
    `append(${size}, seed ${seed})`,
    index,
    unlessGone,
    (writer, { gone }) => (gone ? writer.write(data, 0) : writer.append(data)),
    (ingest) => {
      ingest.content = Buffer.concat([ingest.content, data]);
    },
  );
}

function truncate(index: number, size: number): Command {
  return through(
    `truncate(${size})`,
    index,
    unlessGone,
    (writer) => writer.truncate(size),
    (ingest) => {
      const other = Buffer.alloc(size);
      ingest.content.copy(other);
      ingest.content = other;
    },
  );
}

function close(index: number): Command {
  return command(`close(${index})`, async (model, real) => {
    const at = index % Math.max(1, model.writers.length);
    const [ingest] = model.writers.splice(at, 1);
    const [writer] = real.writers.splice(at, 1);
    if (ingest === undefined || writer === undefined) return;
    ingest.open = false;
    await writer.close();
  });
}

function commit(index: number, right: boolean): Command {
  return command(`commit(${index}, ${right ? 'right' : 'wrong'} digest)`, async (model, { subject }) => {
    const ref = model.ref(index);
    const ingest = model.ingests.get(ref);
    const content = ingest?.content ?? Buffer.alloc(0);
    const digest = await digestOfBytes(right ? content : Buffer.concat([content, Buffer.from('x')]));
    const sized = ingest?.total === undefined || ingest.total === content.length;
    const expected = ingest === undefined ? 'ENOENT' : right && sized ? 'OK' : 'EBADMSG';
    await ends(expected, () => subject.commit(ref, digest));
    if (expected !== 'OK') return;
    model.blobs.set(digest, content);
    model.drop(ref);
  });
}

function declare(index: number, slack: number): Command {
  return command(`declare(${index}, size + ${slack})`, async (model, { subject }) => {
    const ingest = model.ingests.get(model.ref(index));
    if (ingest === undefined) return;
    ingest.total = ingest.content.length + slack;
    await subject.declare(model.ref(index), { total: ingest.total });
  });
}

function move(index: number, target: number): Command {
  return command(`move(${index}, ${target})`, async (model, { subject }) => {
    const [ref, to] = [model.ref(index), model.ref(target)];
    const [ingest, replaced] = [model.ingests.get(ref), model.ingests.get(to)];
    const busy = ref !== to && replaced?.open === true;
    const expected = ingest === undefined ? 'ENOENT' : busy ? 'EBUSY' : 'OK';
    await ends(expected, () => subject.move(ref, to));
    if (expected !== 'OK' || ref === to || ingest === undefined) return;
    model.drop(to);
    model.ingests.delete(ref);
    model.ingests.set(to, ingest);
  });
}

function abort(index: number): Command {
  return command(`abort(${index})`, async (model, { subject }) => {
    const ref = model.ref(index);
    await ends(model.ingests.has(ref) ? 'OK' : 'ENOENT', () => subject.abort(ref));
    model.drop(ref);
  });
}

function removeBlob(index: number): Command {
  return command(`removeBlob(${index})`, async (model, { subject }) => {
    const digest = [...model.blobs.keys()][index % Math.max(1, model.blobs.size)];
    if (digest === undefined) return;
    await subject.removeBlob(digest);
    await ends('ENOENT', () => subject.readBlob(digest));
    model.blobs.delete(digest);
  });
}

function restart(): Command {
  return command('restart', async (model, real) => {
    for (const writer of real.writers.splice(0)) await writer.close();
    for (const ingest of model.writers.splice(0)) ingest.open = false;
    await real.subject.restart();
  });
}

const index = fc.nat(3);
const seed = fc.nat(5);
/** Small pieces are hashed at once, larger ones on the thread pool. */
const size = fc.oneof(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 1, max: 40_000 }));
const offset = fc.oneof(fc.nat(60), fc.nat(60_000));

/** How often the subject is restarted among the commands. */
export type Restarts = 'often' | 'rarely';

/** All commands, the frequent ones several times. */
export function allCommands(restarts: Restarts): fc.Arbitrary<Command>[] {
  const writes = fc.tuple(index, offset, size, seed).map((drawn) => write(...drawn));
  const opens = fc.tuple(index, fc.boolean()).map((drawn) => open(...drawn));
  const others = [
    opens,
    opens,
    writes,
    writes,
    writes,
    fc.tuple(index, size, seed).map((drawn) => append(...drawn)),
    fc.tuple(index, offset).map((drawn) => truncate(...drawn)),
    index.map(close),
    fc.tuple(index, fc.boolean()).map((drawn) => commit(...drawn)),
    fc.tuple(index, fc.nat(1)).map((drawn) => declare(...drawn)),
    fc.tuple(index, index).map((drawn) => move(...drawn)),
    index.map(abort),
    index.map(removeBlob),
  ];
  return [
    ...(restarts === 'often' ? others : [others, others, others].flat()),
    fc.constant(null).map(restart),
  ];
}
