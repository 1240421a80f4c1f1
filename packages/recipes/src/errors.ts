interface ErrorRow {
  readonly meaning: string;
  readonly remedy: string;
}

/** What recipes reject with, besides the client's own errors. */
export const recipeErrorTable = {
  LOST: {
    meaning: 'what was held is lost, or no longer certain to be held',
    remedy: 'stop acting as its holder, and ask for it again',
  },
  FENCED: {
    meaning: 'the write was refused, and nothing done, because its sender no longer holds what guards it',
    remedy: 'stop acting as its holder: somebody else may hold it by now',
  },
  REVOKED: { meaning: 'somebody asks to give it up', remedy: 'finish soon and release it; nobody takes it away' },
  RELEASED: { meaning: 'it has been released already', remedy: 'ask for it again' },
  CONFLICT: {
    meaning: 'others changed it at the same time, again and again',
    remedy: 'try later, or spread the load over several nodes',
  },
  TASK_PARKED: {
    meaning: 'the task was given up',
    remedy: 'see its error, remove the cause, and call retry()',
  },
  TASK_CANCELLED: { meaning: 'the task was taken back', remedy: 'retry() submits it again' },
  TASK_GONE: {
    meaning: 'there is no such task, or its result is no longer kept',
    remedy: 'see the id, and keepMs of the queue',
  },
  INVALID_OPTION: {
    meaning: 'an option or argument has a value it cannot have',
    remedy: 'the message says which, and what it may be',
  },
  INVALID_DATA: {
    meaning: 'a node holds what this recipe did not write',
    remedy: 'see whether another program uses the same path; the message names the node',
  },
} as const satisfies Record<string, ErrorRow>;

/**
 * The stable name of a recipe's error; match on this, never on messages.
 *
 * @example
 * ```ts
 * const code: RecipeErrorCode = new RecipeError('LOST', '/locks/job').code;
 * console.assert(code === 'LOST');
 * ```
 */
export type RecipeErrorCode = keyof typeof recipeErrorTable;

/**
 * What recipes reject with when it is not the client's TreekeeperError.
 *
 * @example
 * ```ts
 * const error = new RecipeError('FENCED', '/locks/job');
 * console.assert(error.code === 'FENCED' && error.path === '/locks/job');
 * ```
 */
export class RecipeError extends Error {
  override readonly name = 'RecipeError';
  readonly code: RecipeErrorCode;
  /** The recipe's own path. */
  readonly path: string;

  constructor(code: RecipeErrorCode, path: string, message?: string, cause?: unknown) {
    const { meaning, remedy } = recipeErrorTable[code];
    super(`${path}: ${code}: ${message ?? `${meaning}; ${remedy}`}`, cause === undefined ? undefined : { cause });
    this.code = code;
    this.path = path;
  }
}

/**
 * Narrows an unknown error to a RecipeError, with a given code if one is named.
 *
 * @example
 * ```ts
 * console.assert(isRecipeError(new RecipeError('LOST', '/a'), 'LOST'));
 * ```
 */
export function isRecipeError(error: unknown, code?: RecipeErrorCode): error is RecipeError {
  return error instanceof RecipeError && (code === undefined || error.code === code);
}
