import fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';

/** A directory of the test's own, removed when it ends. */
export function temporaryDirectory(t: ExecutionContext): string {
  const path = fs.mkdtempSync(join(tmpdir(), 'cas-test-'));
  t.teardown(() => fs.rmSync(path, { recursive: true, force: true }));
  return path;
}
