import { mountedSuites } from '../contract/mounted-subject.js';
import { Mount } from './mount.js';
import { answersOf, AS_ROOT } from './variants.js';

for (const variant of AS_ROOT) {
  const renameFlags = answersOf(variant).noReplace === 'OK';
  mountedSuites(variant.name, () => Mount.of(variant), { renameFlags });
}
