/** @treekeeper/client: what programs import. */
export {};
