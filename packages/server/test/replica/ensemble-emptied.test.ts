/** Members without data where db.autocreate=false (disk-format.md §1): they do not vote, and get it from others. */
import { describe, expect, test } from 'vitest';
import { SimulatedDisk } from '../../../simulator/src/disk.ts';
import { simulatedOptions } from '../../../simulator/src/standalone-world.ts';
import { expectSameTrees, TestEnsemble, type TestMember } from './ensemble.ts';
import { create, exists } from './requests.ts';

/** Members have data, and are not to begin anew. */
function withData(size: number, options: ConstructorParameters<typeof TestEnsemble>[1] = {}): TestEnsemble {
  const ensemble = new TestEnsemble(size, options);
  ensemble.leader.client().get(create('/before'));
  Object.assign(ensemble.options, { storage: { ...simulatedOptions.storage, databaseAutocreate: false } });
  return ensemble;
}

function damageOf(member: TestMember): string | null | undefined {
  return member.running.member?.report.damage;
}

describe('a member without data', () => {
  test('elects nobody with one that lacks what was acknowledged; with one that has it, all have it', () => {
    const ensemble = withData(3);
    const { leader } = ensemble;
    const [absent, emptied] = ensemble.learners;
    absent.kill();
    leader.client().get(create('/only-two-have-it'));
    leader.kill();
    emptied.wipe();
    for (const member of [absent, emptied]) {
      member.start();
    }
    ensemble.advance(60_000);
    expect([absent, emptied].map(({ running }) => running.serving)).toEqual([false, false]);
    expect(damageOf(emptied)).toMatch(/^there is no data, and db.autocreate=false/);
    leader.start();
    ensemble.untilServing();
    expect(damageOf(emptied)).toBeNull();
    for (const member of ensemble.members) {
      expect(member.client().err(exists('/only-two-have-it'))).toBe(0);
    }
    expectSameTrees(ensemble);
  });

  test.each([
    ['a voter', 1],
    ['an observer', 4],
  ])('%s gets everything while the others go on, and keeps it', (_what, id) => {
    const ensemble = withData(3, { observers: 1 });
    const member = ensemble.member(id);
    member.wipe();
    ensemble.untilServing();
    ensemble.leader.client().get(create('/meanwhile'));
    member.start();
    ensemble.untilServing();
    expect(member.client().err(exists('/meanwhile'))).toBe(0);
    member.kill();
    member.start();
    expect(damageOf(member)).toBeNull();
    ensemble.untilServing();
    expectSameTrees(ensemble);
  });

  test('counts again when it has got everything', () => {
    const ensemble = withData(3);
    const [first, second] = ensemble.learners;
    first.wipe();
    first.start();
    ensemble.untilServing();
    second.kill();
    expect(ensemble.leader.client().err(create('/by-two'))).toBe(0);
    ensemble.leader.kill();
    second.start();
    ensemble.untilServing();
    expect(first.client().err(exists('/by-two'))).toBe(0);
  });

  test('is stopped before a leader comes, and goes on waiting', () => {
    const ensemble = withData(3);
    const [member] = ensemble.learners;
    for (const each of ensemble.members) {
      each.kill();
    }
    member.wipe();
    for (let life = 0; life < 2; life++) {
      member.start();
      ensemble.advance(5000);
      expect(damageOf(member)).toMatch(/there is no data/);
      member.kill();
    }
    for (const each of ensemble.members) {
      each.start();
    }
    ensemble.untilServing();
    expectSameTrees(ensemble);
  });

  test('that is one of two is not started, nor told to begin anew', () => {
    const [member] = withData(2).learners;
    member.wipe();
    expect(() => member.start()).toThrow(/no quorum without this server.*See that its disk is there/);
    expect(() => member.start()).not.toThrow(/remove the setting/);
  });

  test('begins with an empty tree where the file initialize says so', () => {
    const ensemble = withData(3);
    for (const member of ensemble.members) {
      member.wipe();
      member.disk = new SimulatedDisk({ initializeMarker: true });
    }
    for (const member of ensemble.members) {
      member.start();
    }
    ensemble.untilServing();
    expect(ensemble.leader.client().err(exists('/before'))).toBe(-101);
  });
});
