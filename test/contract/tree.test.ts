import type { ExecutionContext } from 'ava';
import { temporaryTree } from '../helpers/trees.js';
import { modelTest } from './model-test.js';
import type { PathOperations } from './path-operations.js';
import { contractSuite, treeSuite } from './suite.js';
import { treeOperations } from './tree-operations.js';
import { treeSubject } from './tree-subject.js';

const open = async (t: ExecutionContext): Promise<PathOperations> => {
  const tree = await temporaryTree(t);
  return treeOperations(
    () => tree.fs,
    () => tree.restart(),
  );
};

contractSuite({ name: 'tree', open: async (t) => treeSubject(await open(t)) });
treeSuite({ name: 'tree', open });
modelTest(
  { name: 'tree', open: async (t) => treeSubject(await open(t)) },
  { runs: 80, steps: 60, restarts: 'often' },
);
