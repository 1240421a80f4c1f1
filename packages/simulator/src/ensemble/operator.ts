/** Who may change the members: a superuser, with a client like any other. */
import { createHash } from 'node:crypto';
import type { Configuration } from '@treekeeper/server/internal';
import type { Reconfigure } from '../requests.ts';
import type { Fault } from './faults.ts';
import type { GroupPlan } from './features.ts';

const CREDENTIALS = 'super:operator';

export const OPERATOR = {
  credentials: CREDENTIALS,
  digest: `super:${createHash('sha1').update(CREDENTIALS).digest('base64')}`,
} as const;

export type Role = 'participant' | 'observer';

export function serverLine(serverId: number, role: Role): string {
  return `server.${serverId}=s${serverId}:2888:3888:${role};s${serverId}:2181`;
}

export function groupLines(groups: readonly GroupPlan[]): string[] {
  return groups.flatMap(({ members, weights }, i) => [
    `group.${i + 1}=${members.join(':')}`,
    ...members.map((id, j) => `weight.${id}=${weights[j]}`),
  ]);
}

/** The request for a change, with the members that there are now. */
export function requestFor(
  { joining, leaving, isWhole }: Fault & { kind: 'reconfig' },
  configuration: Configuration,
): Reconfigure {
  const joiners = joining.map(({ serverId, role }) => serverLine(serverId, role));
  if (!isWhole) {
    return { kind: 'reconfig', joining: listed(joiners), leaving: listed(leaving), members: null };
  }
  const isNew = (id: number) => joining.some(({ serverId }) => serverId === id);
  const staying = configuration.members.filter(({ id }) => !leaving.includes(id) && !isNew(id));
  const members = [...staying.map(({ id, role }) => ({ serverId: id, role })), ...joining];
  const voters = members.filter(({ role }) => role === 'participant').map(({ serverId }) => serverId);
  const lines = [
    ...members.map(({ serverId, role }) => serverLine(serverId, role)),
    ...groupLines(groupsOf(voters, configuration)),
  ];
  return { kind: 'reconfig', joining: null, leaving: null, members: listed(lines) };
}

/** Voters stay where they are, with the weight that they have; new ones come into the last group. */
function groupsOf(voters: readonly number[], { groups, weights }: Configuration): GroupPlan[] {
  const isPlaced = (id: number) => [...groups.values()].some((members) => members.includes(id));
  const newcomers = voters.filter((id) => !isPlaced(id));
  const lists = [...groups.values()].map((members) => members.filter((id) => voters.includes(id)));
  lists.at(-1)?.push(...newcomers);
  const inhabited = lists.filter((members) => members.length > 0);
  return inhabited.map((members) => ({ members: members.sort(byNumber), weights: members.map(weightOf) }));

  function weightOf(id: number): number {
    return weights.get(id) ?? 1;
  }
}

function byNumber(one: number, other: number): number {
  return one - other;
}

function listed(parts: readonly (string | number)[]): string | null {
  return parts.length === 0 ? null : parts.join(',');
}
