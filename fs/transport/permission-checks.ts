/**
 * The option that has the kernel check permissions, unless only who has mounted it can reach the mount: then there is
 * nobody to be kept out, and a blob, which is 0444, can be written anew with the same bytes.
 */
export function permissionChecks(options: readonly string[]): readonly string[] {
  return options.includes('allow_other') ? ['default_permissions'] : [];
}
