/** The client's contract, case by case: the same against every server. */
import { connect } from '@treekeeper/client';
import type { Flavour } from '../servers.ts';
import type { BehaviourCase } from './case.ts';
import { operationCases } from './operations-cases.ts';
import { sessionCases } from './session-cases.ts';

export const behaviourCases: readonly BehaviourCase[] = [...operationCases, ...sessionCases];

/** Runs one case on a tree of its own, and removes that afterwards. */
export async function runCase(each: BehaviourCase, server: string, flavour: Flavour): Promise<void> {
  await using admin = await connect(server);
  const { path: root } = await admin.create('/behaviour-', null, { mode: 'persistent-sequential' });
  await using client = await connect(`${server}${root}`);
  await each.run({ client, server, root, flavour });
  // What a case leaves closed to strangers stays: this is a server for tests.
}
