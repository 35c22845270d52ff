import { createHash } from 'node:crypto';
import fs from 'node:fs';
import { join } from 'node:path';
import type { Algorithm } from '../../../../store/digest.js';
import { encodeSeals, sealState, type WrittenSeal } from '../../../../store/ingest/checkpoints/seal.js';

/** Where an ingest that has its directory is below a store's root. */
export function directoryOf(root: string, ref = 'x'): string {
  return join(root, 'ingest', createHash('sha256').update(ref).digest('hex'));
}

export function statePath(directory: string, offset: number, algorithm: Algorithm = 'sha256'): string {
  return join(directory, 'hashstates', algorithm, `${offset}`);
}

/** The offsets of the states that are on disk, ascending. */
export function statesOn(directory: string, algorithm: Algorithm = 'sha256'): number[] {
  const root = join(directory, 'hashstates', algorithm);
  if (!fs.existsSync(root)) return [];
  return fs
    .readdirSync(root)
    .map(Number)
    .sort((a, b) => a - b);
}

/** The lines of the seals' file, as JSON; those that are none are left out. */
export function sealsOn(directory: string): WrittenSeal[] {
  const path = join(directory, 'checkpoints');
  if (!fs.existsSync(path)) return [];
  return fs
    .readFileSync(path, 'utf8')
    .split('\n')
    .flatMap((line) => {
      try {
        return [JSON.parse(line) as WrittenSeal];
      } catch {
        return [];
      }
    });
}

/** The states that a later run may trust: those with a seal whose checksum is right. */
export function sealedStatesOn(directory: string): { offset: number; state: Buffer; seal: WrittenSeal }[] {
  return sealsOn(directory).flatMap((seal) => {
    const { algorithm, offset, size, inode, boot, sample, check } = seal;
    const path = statePath(directory, offset, algorithm);
    if (!fs.existsSync(path)) return [];
    const state = fs.readFileSync(path);
    const fields = JSON.stringify([algorithm, offset, size, inode, boot, sample]);
    const found = createHash('sha256').update(`${fields}\n`).update(state).digest('hex');
    return found === check ? [{ offset, state, seal }] : [];
  });
}

/** Writes the seals anew, as `change` would have them; their checksums are right. */
export function reseal(directory: string, change: (seal: WrittenSeal) => Partial<WrittenSeal>): void {
  const seals = sealsOn(directory).map((seal) => {
    const { algorithm, offset, size, inode, boot, sample } = { ...seal, ...change(seal) };
    const state = fs.readFileSync(statePath(directory, offset, algorithm));
    return sealState({ algorithm, offset, size, inode, boot, sample }, state);
  });
  fs.writeFileSync(join(directory, 'checkpoints'), encodeSeals(seals));
}

/** Makes it look as if the machine had been started anew since the states were saved. */
export function restartMachine(directory: string): void {
  reseal(directory, () => ({ boot: '00000000-0000-4000-8000-000000000000' }));
  fs.rmSync(join(directory, 'boot'), { force: true });
}

/** Changes bytes of a file from outside: its inode stays. */
export function tamper(path: string, at: number, length = 1): void {
  const fd = fs.openSync(path, 'r+');
  try {
    const bytes = Buffer.alloc(length);
    fs.readSync(fd, bytes, 0, length, at);
    for (let index = 0; index < length; index++) bytes.writeUInt8(bytes.readUInt8(index) ^ 0xff, index);
    fs.writeSync(fd, bytes, 0, length, at);
  } finally {
    fs.closeSync(fd);
  }
}
