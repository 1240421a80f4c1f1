/** Why bytes could not be decoded (or a value encoded). */
export type JuteErrorCode =
  /** The bytes end before the field does. */
  | 'TRUNCATED'
  /** A length is negative (other than −1) or above the limit. */
  | 'UNREASONABLE_LENGTH'
  /** Null where the record needs a value. */
  | 'UNEXPECTED_NULL'
  /** A number outside the field's range. */
  | 'OUT_OF_RANGE';

/** Malformed bytes: the sender's mistake, never ours. Says what was wrong and at which offset. */
export class JuteError extends Error {
  override readonly name = 'JuteError';
  readonly code: JuteErrorCode;

  constructor(code: JuteErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}
