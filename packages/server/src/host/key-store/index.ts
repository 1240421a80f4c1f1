/** @treekeeper/server/key-store: the stores that Java programs keep their keys and authorities in. */
export { openStore, type StoreType, storeType } from './open-store.ts';
export type { KeyEntry, StoreContents, StorePurpose } from './store.ts';
