import { parseDigest } from '../store/digest.js';
import { CasError } from '../store/errors.js';
import type { Expectations } from '../store/ingest/record.js';
import type { Ingest } from '../store/ingest/ingest.js';
import { etaOf, type IngestStatus, percentOf } from '../store/ingest/status.js';
import { FsError } from './errors.js';

const PREFIX = 'user.cas.';

/** What each readable attribute shows; undefined where there is nothing to show. */
const READABLE: Readonly<Record<string, (status: IngestStatus) => string | undefined>> = {
  ref: ({ ref }) => ref,
  offset: ({ offset }) => `${offset}`,
  started: ({ startedAt }) => startedAt.toISOString(),
  updated: ({ updatedAt }) => updatedAt.toISOString(),
  error: ({ error }) => error,
  expected: ({ expected }) => expected,
  total: ({ total }) => text(total),
  percent: (status) => text(percentOf(status)),
  rate: ({ rate }) => text(rate && Math.round(rate)),
  eta: (status) => text(etaOf(status)),
  holder: ({ holder }) => holder?.toString(),
};

/** How each settable attribute is read. */
const SETTABLE: Readonly<Record<string, (text: string) => Expectations>> = {
  expected: (text) => ({ expected: parseDigest(text) }),
  total: (text) => ({ total: parseSize(text) }),
};

/** The names of an ingest's attributes that have a value. */
export function listIngestXattrs({ status }: Ingest): string[] {
  const names = Object.entries(READABLE).flatMap(([name, show]) =>
    show(status) === undefined ? [] : [name],
  );
  return [...names, 'digest'].map((name) => PREFIX + name);
}

/** The value of an attribute; `user.cas.digest` is that of the first `user.cas.offset` bytes. */
export async function getIngestXattr(ingest: Ingest, name: string): Promise<Uint8Array | undefined> {
  const key = keyOf(name);
  if (key === 'digest') return Buffer.from(await ingest.prefixDigest());
  const value = key === undefined ? undefined : READABLE[key]?.(ingest.status);
  return value === undefined ? undefined : Buffer.from(value);
}

/**
 * Declares the digest or the size.
 * @throws CasError EXPECTATION_INVALID; FsError EPERM for a read-only attribute, EOPNOTSUPP for a foreign one
 */
export async function setIngestXattr(ingest: Ingest, name: string, value: Uint8Array): Promise<void> {
  await ingest.expect(settable(name)(Buffer.from(value).toString().trim()));
}

/** Withdraws a declaration. */
export async function removeIngestXattr(ingest: Ingest, name: string): Promise<void> {
  const key = keyOf(name);
  settable(name);
  if (key !== undefined && READABLE[key]?.(ingest.status) === undefined) throw new FsError('ENODATA');
  await ingest.expect({ [key === 'total' ? 'total' : 'expected']: undefined });
}

function settable(name: string): (text: string) => Expectations {
  const key = keyOf(name);
  if (key === undefined) throw new FsError('EOPNOTSUPP');
  const parse = SETTABLE[key];
  if (parse === undefined) throw new FsError(key in READABLE || key === 'digest' ? 'EPERM' : 'EOPNOTSUPP');
  return parse;
}

function text(value: number | undefined): string | undefined {
  return value === undefined ? undefined : `${value}`;
}

function keyOf(name: string): string | undefined {
  return name.startsWith(PREFIX) ? name.slice(PREFIX.length) : undefined;
}

function parseSize(text: string): number {
  const size = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (!Number.isSafeInteger(size)) {
    throw new CasError('EXPECTATION_INVALID', {
      subject: 'user.cas.total',
      expected: 'a size in bytes',
      found: text,
    });
  }
  return size;
}
