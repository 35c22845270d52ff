/** Of the grammar of distribution's package reference. */
const DOMAIN =
  /^(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])(?:\.(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9]))*(?::[0-9]+)?$/;
const PATH = /^[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*$/;
const TAG = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/;

/** Characters of a name without its tag. */
const LONGEST = 255;

/**
 * The full form of a name of Docker's, as `podman load`, skopeo and containerd read it: `debian` is
 * `docker.io/library/debian:latest`. Undefined for what is no such name.
 */
export function dockerName(text: string): string | undefined {
  const slash = text.indexOf('/');
  const first = text.slice(0, Math.max(0, slash));
  const hasDomain = /[.:]/.test(first) || first === 'localhost' || first !== first.toLowerCase();
  const domain = hasDomain && first !== 'index.docker.io' ? first : 'docker.io';
  const rest = hasDomain ? text.slice(slash + 1) : text;
  const colon = rest.indexOf(':');
  const path = colon < 0 ? rest : rest.slice(0, colon);
  const tag = colon < 0 ? 'latest' : rest.slice(colon + 1);
  const full = domain === 'docker.io' && !path.includes('/') ? `library/${path}` : path;
  const name = `${domain}/${full}`;
  const valid = DOMAIN.test(domain) && PATH.test(full) && TAG.test(tag) && name.length <= LONGEST;
  return valid ? `${name}:${tag}` : undefined;
}
