/** Nodes whose session nobody knows: those of a session go, and those that only look like it stay. */
import { ttlOwner } from '@treekeeper/protocol';
import { describe, expect, test } from 'vitest';
import { simulatedOptions } from '../../../simulator/src/standalone-world.ts';
import { orphanedSessions } from '../../src/replica/orphans.ts';
import { SessionTable } from '../../src/sessions/session-table.ts';
import { DataTree } from '../../src/tree/data-tree.ts';
import { expectSameTrees, TestEnsemble } from './ensemble.ts';
import { create, createTTL, exists } from './requests.ts';

const WITHOUT = { extendedTypesEnabled: false, emulate353TtlNodes: false };

describe('without extendedTypesEnabled', () => {
  test('a leader removes no node with a time to live from its ensemble', () => {
    const ensemble = new TestEnsemble(3);
    const client = ensemble.leader.client();
    client.get(createTTL('/timed', 5000n));
    client.get(create('/plain'));
    Object.assign(ensemble.options, { ownerRules: WITHOUT, rules: { ...simulatedOptions.rules, ...WITHOUT } });
    for (const member of ensemble.members) {
      member.kill();
      member.messages.length = 0;
    }
    for (const member of ensemble.members) {
      member.start();
    }
    ensemble.untilServing();
    ensemble.advance(1000);
    for (const member of ensemble.members) {
      expect(member.client().err(exists('/timed'))).toBe(0);
      const said = member.messages.filter((message) =>
        /nodes with a time to live \(1, among them \/timed\)/.test(message),
      );
      expect(said).toHaveLength(member === ensemble.leader ? 1 : 0);
    }
    expectSameTrees(ensemble);
  });

  test('what a session has left behind goes all the same', () => {
    const tree = new DataTree({ digestEnabled: false, ownerRules: WITHOUT });
    const known = 0x100001234560000n;
    const unknown = 0x300001234560000n;
    for (const [path, owner] of [
      ['/a', known],
      ['/b', unknown],
      ['/c', ttlOwner(1n)],
    ] as const) {
      tree.create(path, null, null, owner, -1, 1, 0, false);
    }
    const sessions = new SessionTable();
    sessions.open(known, 1000);
    const errors: string[] = [];
    const log = { info: () => {}, warn: () => {}, error: (message: string) => void errors.push(message) };
    expect(orphanedSessions({ tree, sessions }, log)).toEqual([unknown]);
    expect(errors).toHaveLength(1);
  });
});
