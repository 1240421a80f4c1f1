/** @treekeeper/recipes: what programs import. */
export { isRecipeError, RecipeError, type RecipeErrorCode } from './errors.ts';
export type { Fence, GuardedClient } from './guard.ts';
export { Hold, type HoldOptions, type HoldState } from './hold.ts';
export { type AcquireOptions, Lock } from './lock.ts';
