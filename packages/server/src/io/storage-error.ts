/**
 * The data directory is not as it must be, and a person has to decide: the server does not start. The message names the
 * file, the place and what to do.
 */
export class StorageError extends Error {
  override readonly name = 'StorageError';
  /** 'directory': the directories themselves; 'data': what is in the files; 'disk': writing has failed. */
  readonly kind: 'directory' | 'data' | 'disk';

  constructor(kind: StorageError['kind'], message: string) {
    super(message);
    this.kind = kind;
  }
}
