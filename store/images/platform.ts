import type { Platform } from './descriptor.js';

/** Architectures by the names that Node.js, uname(1) and users have for them, as GOARCH. */
const ARCHITECTURES: Readonly<Record<string, string>> = {
  x64: 'amd64',
  x86_64: 'amd64',
  'x86-64': 'amd64',
  ia32: '386',
  i386: '386',
  i686: '386',
  aarch64: 'arm64',
  armhf: 'arm',
  ppc64el: 'ppc64le',
  // Node.js runs on the little-endian one alone.
  ppc64: 'ppc64le',
};

/** Variants that are meant where none is named. */
const DEFAULTS: Readonly<Record<string, string>> = { arm64: 'v8', arm: 'v7', amd64: 'v1' };

const FORM = /^([a-z0-9]+)\/([a-z0-9_-]+)(?:\/([a-z0-9.]+))?$/;

/** The platform of this machine. */
export function hostPlatform(
  arch: string = process.arch,
  variables: { readonly arm_version?: unknown } = process.config.variables as never,
): Platform {
  const architecture = ARCHITECTURES[arch] ?? arch;
  const version = Number(variables.arm_version);
  return {
    os: 'linux',
    architecture,
    ...(architecture === 'arm' && version > 0 && { variant: `v${version}` }),
  };
}

/**
 * Reads `os/arch[/variant]`.
 * @throws RangeError saying what was expected
 */
export function parsePlatform(text: string): Platform {
  const [, os, arch, variant] = FORM.exec(text.toLowerCase()) ?? [];
  if (os === undefined || arch === undefined)
    throw new RangeError('a platform such as linux/amd64 or linux/arm/v7');
  const architecture = Object.hasOwn(ARCHITECTURES, arch) ? (ARCHITECTURES[arch] ?? arch) : arch;
  return { os, architecture, ...(variant !== undefined && { variant }) };
}

/** `os/arch[/variant]`. */
export function platformText({ os, architecture, variant }: Platform): string {
  return [os, architecture, variant].filter((part) => part !== undefined && part !== '').join('/');
}

/**
 * Whether what is offered runs on what is wanted. Variants that are not named are the usual ones. A 32-bit ARM runs
 * what was made for earlier ones, and an amd64 likewise.
 */
export function runsOn(offered: Platform, wanted: Platform): boolean {
  if (offered.os !== wanted.os || offered.architecture !== wanted.architecture) return false;
  const [own, other] = [variantOf(offered), variantOf(wanted)];
  if (own === other) return true;
  const ordered = wanted.architecture === 'arm' || wanted.architecture === 'amd64';
  return ordered && numberOf(own) <= numberOf(other);
}

function variantOf({ architecture, variant }: Platform): string {
  return variant === undefined || variant === '' ? (DEFAULTS[architecture] ?? '') : variant;
}

function numberOf(variant: string): number {
  return Number(/^v(\d+)$/.exec(variant)?.[1] ?? Number.NaN);
}
