/** Which servers decide, by the rule as it is written (quorum-protocol.md §1.2), and not as servers reckon it. */
import type { Configuration } from '@treekeeper/server/internal';

/** More than half of the voters; with groups, more than half of the weight in more than half of those that weigh. */
export function decide({ voters, groups, weights }: Configuration, servers: ReadonlySet<number>): boolean {
  if (groups.size === 0) {
    return isMajority(voters, servers);
  }
  const weightOf = (ids: readonly number[]) => ids.reduce((sum, id) => sum + (weights.get(id) ?? 1), 0);
  const weighing = [...groups.values()].filter((members) => weightOf(members) > 0);
  const won = weighing.filter((members) => {
    const present = members.filter((id) => servers.has(id) && voters.includes(id));
    return 2 * weightOf(present) > weightOf(members);
  });
  return 2 * won.length > weighing.length;
}

export function isMajority(voters: readonly number[], servers: ReadonlySet<number>): boolean {
  return 2 * voters.filter((id) => servers.has(id)).length > voters.length;
}
