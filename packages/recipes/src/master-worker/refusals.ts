/** What an error says about a transaction that is based on versions. */
import { type Client, isTreekeeperError } from '@treekeeper/client';

/** What it is based on has changed. Anything else that it was refused for says nothing of the kind. */
export function isOutdated(error: unknown): boolean {
  return isTreekeeperError(error, 'NO_NODE') || isTreekeeperError(error, 'BAD_VERSION');
}

/** It may have been done or not; a look will tell, if need be in the client's next session. */
export function isUndecided(client: Client, error: unknown): boolean {
  const goesOn = client.state !== 'expired' && client.state !== 'closed';
  return isTreekeeperError(error, 'CONNECTION_LOSS') || (isTreekeeperError(error, 'SESSION_EXPIRED') && goesOn);
}
