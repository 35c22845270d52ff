import { setTimeout as sleep } from 'node:timers/promises';
import type { Ingest } from './ingest.js';

/*
 * A file that is lent is written by the kernel without us (FUSE passthrough). It is hashed when it is ours alone again,
 * and nothing of it is saved before: what is resumed is never lent.
 */

/** A file that may be written without us once `begin` is called; `descriptor` stands for it, and cannot write. */
export interface Loan {
  readonly descriptor: number;
  readonly begin: () => void;
}

/**
 * How long, in milliseconds, a writer is waited for again and again that may be gone: the kernel tells of a close(2) after
 * it has returned.
 */
const PAUSES = [0, 2, 8, 30];

/** Offers the file of a new ingest, whose creator has it open. */
export async function offer({ content: { file } }: Ingest): Promise<Loan> {
  return {
    descriptor: await file.reader(),
    begin: () => {
      file.lend();
    },
  };
}

/** Takes back the file of a sealed ingest if it is lent, unless somebody else can still write it. */
export async function takeBack({ content }: Ingest): Promise<void> {
  for (const pause of PAUSES) {
    if (await content.takeBack()) return;
    await sleep(pause);
  }
}

/**
 * Makes the file of a sealed ingest ours alone where {@link takeBack} could not: a copy takes its place.
 * @returns whether it did: the bytes are to be verified then
 */
export async function detach({ content }: Ingest): Promise<boolean> {
  if (!content.file.isLent) return false;
  await content.detach();
  return true;
}
