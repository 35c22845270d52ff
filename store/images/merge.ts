import { isDeepStrictEqual } from 'node:util';
import { isPlainObject } from '../is-plain-object.js';
import { type Descriptor, keyOf } from './descriptor.js';
import type { ImageIndexJson } from './index-json.js';

/**
 * Merges what a writer has changed into what is there by now: `base` is what it had read, `written` what it made of
 * that, `now` what others have made of it meanwhile. Entries are told apart by their reference names, those without one
 * by their digests. An entry that the writer has added, changed or left out is as the writer has it, any other as it is
 * there now; and so is every other field of the index. Of two who change the same entry the later one counts.
 */
export function mergeIndexes(
  base: ImageIndexJson,
  written: ImageIndexJson,
  now: ImageIndexJson,
): ImageIndexJson {
  const fields = mergeFields(base, written, now) as ImageIndexJson;
  return { ...fields, manifests: mergeEntries(base, written, now) };
}

/** How many entries `written` has more, less or otherwise than `base`. */
export function countChanges(base: ImageIndexJson, written: ImageIndexJson): number {
  const [before, after] = [entriesOf(base), entriesOf(written)];
  const keys = new Set([...before.keys(), ...after.keys()]);
  return [...keys].filter((key) => !isDeepStrictEqual(before.get(key), after.get(key))).length;
}

type Entries = ReadonlyMap<string, readonly Descriptor[]>;

function mergeEntries(base: ImageIndexJson, written: ImageIndexJson, now: ImageIndexJson): Descriptor[] {
  const [before, after, there] = [entriesOf(base), entriesOf(written), entriesOf(now)];
  const merged = new Map(there);
  for (const key of new Set([...before.keys(), ...after.keys()])) {
    const entries = after.get(key);
    if (isDeepStrictEqual(before.get(key), entries)) continue;
    if (entries === undefined) merged.delete(key);
    else merged.set(key, entries);
  }
  return [...merged.values()].flat();
}

/** Several entries may have one name, for as many platforms. */
function entriesOf({ manifests }: ImageIndexJson): Entries {
  const entries = new Map<string, Descriptor[]>();
  for (const descriptor of manifests) {
    const key = keyOf(descriptor);
    const known = entries.get(key);
    if (known === undefined) entries.set(key, [descriptor]);
    else known.push(descriptor);
  }
  return entries;
}

type Fields = Readonly<Record<string, unknown>>;

/** The same for the fields of objects, and of objects in them, but not for what is in lists. */
function mergeFields(base: Fields, written: Fields, now: Fields): Fields {
  const merged = new Map(Object.entries(now));
  for (const key of new Set([...Object.keys(base), ...Object.keys(written)])) {
    const [before, after, there] = [base[key], written[key], now[key]];
    if (isDeepStrictEqual(before, after)) continue;
    if (after === undefined) merged.delete(key);
    else if (isPlainObject(after) && isPlainObject(there))
      merged.set(key, mergeFields(isPlainObject(before) ? before : {}, after, there));
    else merged.set(key, after);
  }
  return Object.fromEntries(merged);
}
