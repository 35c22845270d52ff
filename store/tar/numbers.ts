import type { ByteText, Time } from './entry.js';

const NUL = 0;
const SPACE = 0x20;
const ZERO = 0x30;
const SEVEN = 0x37;

/**
 * An octal field of a header, as Go's archive/tar reads it: spaces and NULs around the digits are ignored, and all
 * that follows a NUL after them; an empty field is 0. NaN where it is no number.
 */
export function octal(block: Buffer, from: number, length: number): number {
  const end = from + length;
  let at = from;
  while (at < end && isBlank(block[at])) at++;
  if (at === end) return 0;
  let value = 0;
  const first = at;
  for (; at < end; at++) {
    const byte = block[at] ?? NUL;
    if (byte < ZERO || byte > SEVEN) break;
    value = value * 8 + byte - ZERO;
  }
  if (at === first) return NaN;
  if (at === end || block[at] === NUL) return value;
  while (at < end && isBlank(block[at])) at++;
  return at === end ? value : NaN;
}

function isBlank(byte: number | undefined): boolean {
  return byte === NUL || byte === SPACE;
}

/**
 * A number of a header: octal, or base-256 (two's complement, big-endian) where the first bit is set. NaN where it is
 * no number or exceeds 64 bits; beyond 2^53 it is rounded.
 */
export function numeric(block: Buffer, from: number, length: number): number {
  return ((block[from] ?? NUL) & 0x80) === 0 ? octal(block, from, length) : base256(block, from, length);
}

function base256(block: Buffer, from: number, length: number): number {
  // The first bit says that this is binary, the second is the sign.
  const bits = length * 8 - 1;
  const value = BigInt.asIntN(bits, BigInt(`0x${block.toString('hex', from, from + length)}`));
  return inInt64(value);
}

function inInt64(value: bigint): number {
  return value === BigInt.asIntN(64, value) ? Number(value) : NaN;
}

/** A decimal number, perhaps signed. NaN where it is none or exceeds 64 bits; beyond 2^53 it is rounded. */
export function decimal(text: ByteText): number {
  if (!/^[+-]?[0-9]+$/.test(text)) return NaN;
  return text.length < 16 ? Number(text) + 0 : inInt64(BigInt(text.replace('+', '')));
}

/**
 * A time of a pax record, such as `-1.25`; digits beyond nanoseconds are dropped. Undefined where it is none.
 */
export function paxTime(text: ByteText): Time | undefined {
  const dot = text.indexOf('.');
  const whole = decimal(dot < 0 ? text : text.slice(0, dot));
  const fraction = dot < 0 ? '' : text.slice(dot + 1);
  if (Number.isNaN(whole) || !/^[0-9]*$/.test(fraction)) return undefined;
  const nanoseconds = Number(fraction.slice(0, 9).padEnd(9, '0'));
  if (nanoseconds > 0 && text.startsWith('-')) return time(whole - 1, 1_000_000_000 - nanoseconds);
  return time(whole, nanoseconds);
}

/** A time; what is beyond ±2^53 seconds becomes the nearest that is not. */
export function time(seconds: number, nanoseconds: number): Time {
  const bound = Number.MAX_SAFE_INTEGER;
  return { seconds: Math.min(Math.max(seconds, -bound), bound), nanoseconds };
}
