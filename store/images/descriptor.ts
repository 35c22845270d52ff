/** What an image runs on, as the OCI image-spec has it. */
export interface Platform {
  readonly architecture: string;
  readonly os: string;
  readonly variant?: string;
  readonly [key: string]: unknown;
}

/** A reference to a blob, as the OCI image-spec has it; what else it has is kept as it is. */
export interface Descriptor {
  readonly mediaType?: string;
  readonly digest: string;
  readonly size: number;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly platform?: Platform;
  readonly [key: string]: unknown;
}

/** The annotation that holds the name of an image in an OCI image layout. */
export const REF_NAME = 'org.opencontainers.image.ref.name';

/** What containerd and BuildKit call the image in full, where {@link REF_NAME} is only its tag. */
export const FULL_NAME = 'io.containerd.image.name';

/** The reference name of an entry of index.json; undefined where it has none. */
export function refNameOf({ annotations }: Descriptor): string | undefined {
  const name = annotations?.[REF_NAME];
  return name === '' ? undefined : name;
}

/** The name in full that containerd or BuildKit gave an entry; undefined where there is none. */
export function fullNameOf({ annotations }: Descriptor): string | undefined {
  const name = annotations?.[FULL_NAME];
  return name === '' ? undefined : name;
}

/** What tells entries of index.json apart: their names or, of those without any, their digests. */
export function keyOf(descriptor: Descriptor): string {
  const name = refNameOf(descriptor);
  const fullName = descriptor.annotations?.[FULL_NAME];
  return name === undefined && fullName === undefined
    ? descriptor.digest
    : JSON.stringify([name ?? null, fullName ?? null]);
}
