/** @treekeeper/recipes/master-worker: what programs import. */
export {};
