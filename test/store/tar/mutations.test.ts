import test from 'ava';
import fc from 'fast-check';
import { CasError } from '../../../store/errors.js';
import { decodeEntry } from '../../../store/tar/decode.js';
import { TarFramer } from '../../../store/tar/framer.js';
import { propertySettings } from '../../helpers/properties.js';
import { body, file, header, pax, take, tar } from './tars.js';

const BYTES = tar(
  pax({ path: 'name', mtime: '-1.5', 'SCHILY.xattr.user.a': '\0\xff' }),
  file({}, 'text'),
  file({ name: '././@LongLink', type: 'L' }, `${'n'.repeat(700)}\0`),
  header({ name: 'd', type: '5', magic: 'ustar  \0' }),
  pax({ 'GNU.sparse.major': '1', 'GNU.sparse.minor': '0', 'GNU.sparse.realsize': '1000' }),
  file({}, `${body('2\n0\n10\n500\n20\n').toString('latin1')}${'x'.repeat(30)}`),
  pax({ 'GNU.sparse.map': '5,10', 'GNU.sparse.numblocks': '1', 'GNU.sparse.size': '50' }),
  file({}, 'x'.repeat(10)),
  header({ type: 'S', size: 8, magic: 'ustar  \0', real: '00000002000', prefix: `${'\0'.repeat(137)}\x01` }),
  body('00000000000\x0000000000010\0'),
  body('x'.repeat(8)),
  pax({ comment: 'x' }, 'g'),
  file({ name: 'z' }, 'x'.repeat(2000)),
);

/** Bytes that mean something somewhere. */
const telling = fc.constantFrom(...Buffer.from('\0 /0178xgLKSV=\n,-.\x80\xff', 'latin1'));

const mutation = fc.record({
  at: fc.nat(BYTES.length - 1),
  byte: fc.oneof(telling, fc.nat(255)),
  /** Whether the header that the byte may be in gets a right checksum. */
  sum: fc.boolean(),
});

function mutated(mutations: readonly { at: number; byte: number; sum: boolean }[], length: number): Buffer {
  const bytes = Buffer.from(BYTES);
  for (const { at, byte, sum } of mutations) {
    bytes[at] = byte;
    const block = bytes.subarray(at - (at % 512), at - (at % 512) + 512);
    if (!sum || block.toString('latin1', 257, 262) !== 'ustar') continue;
    block.fill(' ', 148, 156);
    const total = block.reduce((before, value) => before + value, 0);
    block.write(`${total.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  }
  return bytes.subarray(0, length);
}

test('Whatever a tar holds, it is refused with an error of ours or given byte for byte', (t) => {
  t.is(take(BYTES).entries.length, 6);
  const outcomes = { taken: 0, refused: 0 };
  fc.assert(
    fc.property(
      fc.array(mutation, { minLength: 1, maxLength: 4 }),
      fc.oneof({ weight: 3, arbitrary: fc.constant(BYTES.length) }, fc.nat(BYTES.length)),
      fc.integer({ min: 1, max: 2000 }),
      (mutations, length, chunk) => {
        const bytes = mutated(mutations, length);
        const given: Buffer[] = [];
        const framer = new TarFramer({
          raw: (raw) => given.push(raw),
          entry: () => undefined,
          data: (data) => given.push(data),
          dataEnd: () => undefined,
        });
        try {
          for (let at = 0; at < bytes.length; at += chunk) framer.push(bytes.subarray(at, at + chunk));
          framer.end();
          outcomes.taken++;
          if (!Buffer.concat(given).equals(bytes)) throw new Error('other bytes were given');
        } catch (error) {
          if (!(error instanceof CasError)) throw error;
          outcomes.refused++;
        }
      },
    ),
    propertySettings(t, 2000),
  );
  // Both happen, or the mutations would be useless.
  t.true(outcomes.taken > 200 && outcomes.refused > 200, JSON.stringify(outcomes));
});

test('Raw bytes that are no headers of one entry are a damaged layer', (t) => {
  const two = Buffer.concat([file({}), file({})]);
  const half = header({}).subarray(0, 511);
  for (const raw of [
    two,
    half,
    Buffer.alloc(0),
    Buffer.alloc(1024),
    Buffer.alloc(512, 'x'),
    pax({ path: 'x' }),
  ]) {
    t.throws(() => decodeEntry(raw, 0), { instanceOf: CasError, code: 'LAYER_DAMAGED' });
  }
});
