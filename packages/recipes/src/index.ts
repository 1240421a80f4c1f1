/** @treekeeper/recipes: what programs import. */
export {};
