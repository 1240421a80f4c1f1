/** Who may change the members: a superuser, with a client like any other. */
import { createHash } from 'node:crypto';
import type { Configuration } from '@treekeeper/server/internal';
import type { Reconfigure } from '../requests.ts';
import type { Fault } from './faults.ts';

const CREDENTIALS = 'super:operator';

export const OPERATOR = {
  credentials: CREDENTIALS,
  digest: `super:${createHash('sha1').update(CREDENTIALS).digest('base64')}`,
} as const;

export type Role = 'participant' | 'observer';

export function serverLine(serverId: number, role: Role): string {
  return `server.${serverId}=s${serverId}:2888:3888:${role};s${serverId}:2181`;
}

/** The request for a change, with the members that there are now. */
export function requestFor(
  { joining, leaving, isWhole }: Fault & { kind: 'reconfig' },
  { members }: Configuration,
): Reconfigure {
  const joiners = joining.map(({ serverId, role }) => serverLine(serverId, role));
  if (!isWhole) {
    return { kind: 'reconfig', joining: listed(joiners), leaving: listed(leaving), members: null };
  }
  const isNew = (id: number) => joining.some(({ serverId }) => serverId === id);
  const staying = members.filter(({ id }) => !leaving.includes(id) && !isNew(id));
  const lines = [...staying.map(({ id, role }) => serverLine(id, role)), ...joiners];
  return { kind: 'reconfig', joining: null, leaving: null, members: listed(lines) };
}

function listed(parts: readonly (string | number)[]): string | null {
  return parts.length === 0 ? null : parts.join(',');
}
