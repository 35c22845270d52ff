import type { ByteText } from '../tar/entry.js';

/** Compares the bytes [start, end) with `name`: negative where they come first, 0 where they are the same. */
export function compareName(bytes: Buffer, start: number, end: number, name: ByteText): number {
  const length = Math.min(end - start, name.length);
  for (let i = 0; i < length; i++) {
    const difference = (bytes[start + i] ?? 0) - name.charCodeAt(i);
    if (difference !== 0) return difference;
  }
  return end - start - name.length;
}

/** Whether one range of bytes comes before another and is not the same. */
export function comesBefore(bytes: Buffer, [start, end]: Range, [otherStart, otherEnd]: Range): boolean {
  const length = Math.min(end - start, otherEnd - otherStart);
  for (let i = 0; i < length; i++) {
    const difference = (bytes[start + i] ?? 0) - (bytes[otherStart + i] ?? 0);
    if (difference !== 0) return difference < 0;
  }
  return end - start < otherEnd - otherStart;
}

type Range = readonly [start: number, end: number];
