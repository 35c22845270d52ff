import { constants } from 'node:os';
import test from 'ava';
import fc from 'fast-check';
import { errnoNumber, errnoOf, FsError } from '../../fs/errors.js';
import { type Name, nameOf, utf8Of } from '../../fs/node.js';
import { CasError } from '../../store/errors.js';
import { systemError } from '../../store/libc.js';
import { propertySettings } from '../helpers/properties.js';

test('a text survives being made a name, which has one character for each of its bytes', (t) => {
  const property = fc.property(fc.string({ unit: 'grapheme' }), (text) => {
    const name = nameOf(text);
    return utf8Of(name) === text && name.length === Buffer.byteLength(text);
  });
  fc.assert(property, propertySettings(t, 1000));
  t.pass();
});

test('bytes that are no UTF-8 have no text', (t) => {
  for (const bytes of [
    [0xff],
    [0xc0, 0xaf],
    [0xed, 0xa0, 0x80],
    [0x61, 0xe2, 0x82],
    [0xf5, 0x80, 0x80, 0x80],
  ])
    t.is(utf8Of(Buffer.from(bytes).toString('latin1') as Name), undefined);
  t.is(utf8Of(nameOf('\ufeffx')), '\ufeffx', 'a byte order mark is part of a name');
  t.is(utf8Of(nameOf('\ufffd')), '\ufffd');
});

test('every error that carries an errno gives its number, and no other does', (t) => {
  const { ENOENT, EBADMSG, ENOSPC, EIO, ENODATA } = constants.errno;
  t.is(errnoOf(new CasError('DIGEST_MISMATCH')), EBADMSG);
  t.is(errnoOf(new CasError('STORE_UNREADABLE', { errno: 'ENOSPC' })), ENOSPC);
  t.is(errnoOf(new FsError('ENODATA')), ENODATA);
  t.is(errnoOf(systemError('open', ENOENT)), ENOENT);
  t.is(errnoOf(Object.assign(new Error('fs'), { errno: -2, code: 'ENOENT', syscall: 'open' })), 2);
  t.is(errnoNumber('ENOSUCHERROR'), EIO);
  for (const defect of [
    new Error('x'),
    new TypeError('y'),
    Object.assign(new Error('z'), { errno: 2 }),
    'text',
    undefined,
    { errno: -2, syscall: 'open' },
  ])
    t.is(errnoOf(defect), undefined);
});
