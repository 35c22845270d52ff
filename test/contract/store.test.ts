import type { ExecutionContext } from 'ava';
import { temporaryStore } from '../helpers/stores.js';
import { modelTest } from './model-test.js';
import { storeSubject } from './store-subject.js';
import type { Subject } from './subject.js';
import { contractSuite } from './suite.js';

const open = async (t: ExecutionContext): Promise<Subject> => storeSubject(await temporaryStore(t));

contractSuite({ name: 'store', open });
modelTest({ name: 'store', open }, { runs: 120, steps: 60, restarts: 'often' });
