import { createHash } from 'node:crypto';

export const ALL_PERMISSIONS = 31;

/** The id of scheme digest for `user:password`, as ZooKeeper's own tool makes it. */
export function digestIdOf(credentials: string, algorithm = 'sha1'): string {
  const hash = createHash(algorithm).update(credentials).digest('base64');
  return `${credentials.split(':', 1)[0]}:${hash}`;
}
