/*
 * The names below `.cas/status/` and `.cas/images/`. A file's name ends in `.json`, and no directory's does: so the ingest `a` and one in
 * the directory `a.json` are both shown, as `a.json` and in `a.json.d/`.
 */

const SUFFIX = '.json';
const ESCAPE = '.d';

/** NAME_MAX, in bytes. */
const NAME_MAX = 255;

/** The name of the file that shows an ingest or an image. */
export function fileShown(name: string): string {
  return name + SUFFIX;
}

/** The name that a directory of them is shown with. */
export function directoryShown(directory: string): string {
  return /\.json(\.d)*$/.test(directory) ? directory + ESCAPE : directory;
}

/** What a file shows; undefined for the name of a directory. */
export function refOf(shown: string): string | undefined {
  return shown.endsWith(SUFFIX) ? shown.slice(0, -SUFFIX.length) : undefined;
}

/** The directory that is shown with a name that is no file's. */
export function directoryOf(shown: string): string {
  return /\.json(\.d)+$/.test(shown) ? shown.slice(0, -ESCAPE.length) : shown;
}

/** Whether a name fits; what does not is shown by `cas ingests` and by the ingest's attributes alone. */
export function isShown(shown: string): boolean {
  return Buffer.byteLength(shown) <= NAME_MAX;
}
