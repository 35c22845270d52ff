import { mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { Readable } from 'node:stream';
import test from 'ava';
import { ControlClient } from '../../src/control/client.js';
import type { Status } from '../../src/control/protocol.js';
import type { Control, Route } from '../../src/control/route.js';
import { FAULT_ROUTES, ROUTES } from '../../src/control/routes.js';
import { controlApp, openControl } from '../../src/control/server.js';
import { createLog } from '../../src/log.js';
import { CasError } from '../../store/errors.js';
import type { Store } from '../../store/store.js';
import { parseRef } from '../../store/ref.js';
import { temporaryStore } from '../helpers/stores.js';
import { temporaryDirectory } from '../helpers/temporary.js';

const log = createLog(2, { level: 'fatal', format: 'json' });
const date = new Date('2024-05-06T07:08:09.010Z');
const status: Status = {
  version: '1.2.3',
  pid: 1,
  started: date.toISOString(),
  mountpoint: '/mnt',
  transport: 'kernel',
  passthrough: true,
  store: { path: '/store', format: 1, sync: 'commit' },
  counts: { inodes: 1, files: 0, directories: 0, pending: 0 },
  memory: { rss: 1, heap: 1, external: 1 },
  defects: 0,
  operations: {},
};

interface Listed {
  readonly blobs?: (algorithms: readonly string[]) => AsyncIterable<object>;
}

function control(root: string, { blobs = nothing }: Listed = {}): Control {
  const store = { root, blobs: { list: blobs } };
  return { store: store as unknown as Store, status: () => status };
}

function nothing(): AsyncIterable<object> {
  return Readable.from([]);
}

function ask(
  route: string,
  listed?: Listed,
  routes: readonly Route[] = ROUTES,
): Promise<{ statusCode: number; body: string }> {
  return controlApp(control('/store', listed), routes, log).inject(route);
}

test('GET /v1/status answers the status', async (t) => {
  const { statusCode, body } = await ask('/v1/status');
  t.is(statusCode, 200);
  t.deepEqual(JSON.parse(body), status);
});

test('GET /v1/blobs answers one blob per line, of all algorithms or of one', async (t) => {
  const asked: (readonly string[])[] = [];
  const blobs = (algorithms: readonly string[]): AsyncIterable<object> => {
    asked.push(algorithms);
    return Readable.from([
      { digest: 'sha256:00', size: 3, committedAt: date },
      { digest: 'sha256:01', size: 4, committedAt: date },
    ]);
  };
  const { body } = await ask('/v1/blobs', { blobs });
  t.is(
    body,
    '{"digest":"sha256:00","size":3,"committed":"2024-05-06T07:08:09.010Z"}\n' +
      '{"digest":"sha256:01","size":4,"committed":"2024-05-06T07:08:09.010Z"}\n',
  );
  await ask('/v1/blobs?algorithm=sha512', { blobs });
  t.deepEqual(asked, [['sha256', 'sha512', 'blake3'], ['sha512']]);
});

test('GET /v1/ingests answers one ingest per line, with null for what is not known', async (t) => {
  const { root, store } = await temporaryStore(t);
  for (const name of ['a/b', 'c']) (await store.ingests.create(parseRef(name), 'sha256')).unlock();
  const { statusCode, body } = await controlApp({ store, status: () => status }, ROUTES, log).inject(
    '/v1/ingests',
  );
  t.is(statusCode, 200);
  const lines = body.trimEnd().split('\n');
  const found = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
  t.deepEqual(found.map(({ ref }) => ref).sort(), ['a/b', 'c']);
  for (const line of found) t.like(line, { size: 0, total: null, holder: null, error: null }, root);
});

for (const [what, url, code, statusCode] of [
  ['a query that the schema does not allow', '/v1/blobs?algorithm=md5', 'REQUEST_INVALID', 400],
  ['a parameter that nobody knows', '/v1/status?x=1', 'REQUEST_INVALID', 400],
  ['a request that nobody knows', '/v1/nothing', 'REQUEST_UNKNOWN', 404],
  ['a fault, unless the daemon was started for it', '/v1/faults/throw', 'REQUEST_UNKNOWN', 404],
] as const) {
  test(`${what} is refused with a code and a message`, async (t) => {
    const answer = await ask(url);
    t.is(answer.statusCode, statusCode);
    const failure = JSON.parse(answer.body) as Record<string, unknown>;
    t.is(failure['code'], code);
    t.is(typeof failure['message'], 'string');
    t.deepEqual(Object.keys(failure).sort(), ['code', 'errno', 'expected', 'found', 'message', 'subject']);
  });
}

test('the request for a fault is a POST', (t) => {
  t.deepEqual(
    FAULT_ROUTES.map(({ method }) => method),
    ['POST'],
  );
});

test('an error of the store is answered with its code, errno, subject, expected and found', async (t) => {
  const failing: Route = {
    method: 'GET',
    url: '/failing',
    schema: {},
    handle: () => {
      throw new CasError('SIZE_MISMATCH', { subject: 'x', expected: 1, found: 2 });
    },
  };
  const { statusCode, body } = await ask('/failing', {}, [failing]);
  t.is(statusCode, 409);
  t.like(JSON.parse(body), {
    code: 'SIZE_MISMATCH',
    errno: 'EBADMSG',
    subject: 'x',
    expected: '1',
    found: '2',
  });
});

test('an error in the middle of a list reaches the client', async (t) => {
  const root = temporaryDirectory(t);
  function* failing(): Generator<object> {
    yield { digest: 'sha256:00', size: 3, committedAt: date };
    throw new CasError('STORE_UNREADABLE', { subject: root });
  }
  const server = await openControl(control(root, { blobs: () => Readable.from(failing()) }), ROUTES, log);
  t.teardown(() => server.close());
  const seen: unknown[] = [];
  await t.throwsAsync(
    async () => {
      for await (const line of new ControlClient(root).lines('/v1/blobs')) seen.push(line);
    },
    { message: new RegExp(`^${root}: the store cannot be read`) },
  );
  t.is(seen.length, 1);
});

test('the socket is for its owner alone, replaces one that is left over, and goes when it is closed', async (t) => {
  const root = temporaryDirectory(t);
  const socket = path.join(root, 'cas.sock');
  writeFileSync(socket, 'left over');
  const server = await openControl(control(root), ROUTES, log);
  t.is(statSync(socket).mode & 0o777, 0o600);
  t.true(statSync(socket).isSocket());
  t.deepEqual(readdirSync(root), ['cas.sock']);
  t.like(await new ControlClient(root).get('/v1/status'), { version: '1.2.3' });
  await server.close();
  t.deepEqual(readdirSync(root), []);
});

test('a store whose path does not fit into a socket address has a control socket all the same', async (t) => {
  const root = path.join(temporaryDirectory(t), 'x'.repeat(150));
  mkdirSync(root);
  const server = await openControl(control(root), ROUTES, log);
  t.like(await new ControlClient(root).get('/v1/status'), { version: '1.2.3' });
  await server.close();
});

test('without a daemon the client says which store nobody serves', async (t) => {
  const root = temporaryDirectory(t);
  await t.throwsAsync(new ControlClient(root).get('/v1/status'), {
    message: new RegExp(`^${root}: no cas-mount serves this store`),
  });
});
