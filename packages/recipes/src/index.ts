/** @treekeeper/recipes: what programs import. */
export type { Contender } from './contenders.ts';
export { isRecipeError, RecipeError, type RecipeErrorCode } from './errors.ts';
export type { Fence, GuardedClient } from './guard.ts';
export { Hold, type HoldOptions, type HoldState } from './hold.ts';
export { type AcquireOptions, Lock, type LockOptions, type NodeNames } from './lock.ts';
export { MultiHold, MultiLock, type MultiLockOptions } from './multi-lock.ts';
export {
  type ReadWriteAcquireOptions,
  type ReadWriteContender,
  ReadWriteLock,
  type ReadWriteLockOptions,
  WriteHold,
} from './read-write-lock.ts';
export { type LeaseOptions, Semaphore, type SemaphoreOptions } from './semaphore.ts';
export { type TryAcquireOptions, TryLock } from './try-lock.ts';
