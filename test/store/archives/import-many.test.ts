import test from 'ava';
import type { Content } from '../../../store/archives/contents.js';
import { dockerImages } from '../../../store/archives/docker-archive.js';
import type { Incoming } from '../../../store/archives/incoming.js';
import { Names } from '../../../store/archives/names.js';
import { checkImages } from '../../../store/archives/oci-archive.js';
import { sha256Of } from '../../../store/digest.js';
import type { Descriptor } from '../../../store/images/descriptor.js';
import type { Reference } from '../../../store/images/manifest.js';
import { temporaryStore } from '../../helpers/stores.js';

const IMAGES = 300;

/** How often the event loop turns while something is done that waits for nothing. */
async function turnsDuring(action: () => Promise<unknown>): Promise<number> {
  let turns = 0;
  let ended = false;
  const count = (): void => {
    turns++;
    if (!ended) setImmediate(count);
  };
  setImmediate(count);
  try {
    await action();
  } finally {
    ended = true;
  }
  return turns;
}

/** Manifests that are in memory, by their digests: nothing is waited for when they are read. */
function manifests(number: number): Map<string, Buffer> {
  const config = { digest: sha256Of(Buffer.from('config')), size: 6 };
  return new Map(
    Array.from({ length: number }, (_, index) => {
      const text = JSON.stringify({
        schemaVersion: 2,
        config,
        layers: [],
        annotations: { index: `${index}` },
      });
      return [sha256Of(Buffer.from(text)), Buffer.from(text)];
    }),
  );
}

function descriptors(documents: ReadonlyMap<string, Buffer>): Descriptor[] {
  return [...documents].map(([digest, { length }]) => ({ digest, size: length }));
}

test('between the images of a docker-archive other work is done', async (t) => {
  const files = new Names<Content>();
  const add = (name: string, value: object): void =>
    files.add(name, { kind: 'document', text: Buffer.from(JSON.stringify(value)) });
  add('config.json', { os: 'linux', architecture: 'amd64', rootfs: { type: 'layers', diff_ids: [] } });
  const images = Array.from({ length: IMAGES }, (_, index) => {
    files.link(`${index}.json`, 'config.json', 'symlink');
    return { Config: `${index}.json`, RepoTags: [`a:${index}`], Layers: [] };
  });
  add('manifest.json', images);
  const text = (bytes: Buffer): Promise<object> =>
    Promise.resolve({ digest: sha256Of(bytes), size: bytes.length });
  const incoming = { text } as unknown as Incoming;
  const { store } = await temporaryStore(t);
  let entries: readonly Descriptor[] = [];
  const taken = async (): Promise<void> => {
    entries = await dockerImages(store, files, incoming);
  };
  t.true((await turnsDuring(taken)) >= IMAGES);
  t.is(entries.length, IMAGES);
  t.is(new Set(entries.map(({ digest }) => digest)).size, 1);
});

test('between manifests other work is done, and between those that are absent', async (t) => {
  const documents = manifests(IMAGES);
  const none = (): Promise<void> => Promise.resolve();
  const read = ({ digest }: Reference): Promise<Buffer | undefined> => Promise.resolve(documents.get(digest));
  const entries = descriptors(documents);
  t.true((await turnsDuring(() => checkImages(entries, {}, read, none))) >= IMAGES);

  const absent = {
    schemaVersion: 2,
    manifests: [...descriptors(manifests(10 * IMAGES)), ...entries.slice(0, 1)],
  };
  const index = Buffer.from(JSON.stringify(absent));
  const digest = sha256Of(index);
  documents.set(digest, index);
  const entry = { digest, size: index.length };
  t.true((await turnsDuring(() => checkImages([entry], {}, read, none))) >= (9 * IMAGES) / 64);

  const interrupted = new AbortController();
  const asked: string[] = [];
  const interrupting = ({ digest }: Reference): Promise<Buffer | undefined> => {
    interrupted.abort(new Error('gone'));
    asked.push(digest);
    return Promise.resolve(documents.get(digest));
  };
  const { signal } = interrupted;
  await t.throwsAsync(checkImages(entries, { signal }, interrupting, none), { message: 'gone' });
  t.is(asked.length, 1);
});

test('manifests have a limit together', async (t) => {
  const documents = manifests(10);
  const size = [...documents.values()].reduce((sum, { length }) => sum + length, 0);
  const read = ({ digest }: Reference): Promise<Buffer | undefined> => Promise.resolve(documents.get(digest));
  const check = (limit: number): Promise<void> =>
    checkImages(descriptors(documents), { limit }, read, () => Promise.resolve());
  await t.notThrowsAsync(check(size));
  await t.throwsAsync(check(size - 1), { code: 'ARCHIVE_TOO_LARGE' });
});
