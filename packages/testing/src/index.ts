/** @treekeeper/testing: what programs import. */
export {};
