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

/**
 * What is in the files is not what was written, or not all of it. A lone server does not start; a member of an ensemble
 * gets its data anew from the others (docs/decisions/0017-damaged-members.md).
 */
export class DamageError extends StorageError {
  /** Where and what, without advice for whoever has only this server. */
  readonly damage: string;

  constructor(damage: string, advice: string) {
    super('data', `${damage}. ${advice}`);
    this.damage = damage;
  }
}

/** There are no files, and an empty directory is not to be taken for a new database. */
export class NoDataError extends DamageError {}
