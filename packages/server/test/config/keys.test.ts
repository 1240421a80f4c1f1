import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { allNames, findKey, KEYS } from '../../src/config/keys/index.ts';
import { ConfigDirectory, THREE_SERVERS } from './support.ts';

interface ZooKeeperKey {
  readonly key: string;
  readonly set: 'C' | 'F' | 'D' | 'D/F' | 'file' | 'logback';
  readonly judgement: string;
  readonly documented?: string;
}

const zookeeperKeys = JSON.parse(
  readFileSync(new URL('../golden/config/zookeeper-keys.json', import.meta.url), 'utf8'),
) as ZooKeeperKey[];

const KINDS = { C: 'key', F: 'property', D: 'java', 'D/F': 'property', file: 'file', logback: 'property' } as const;

describe('the table of keys', () => {
  test('has every key of ZooKeeper, set in the same way and judged as planned, and no other', () => {
    const ours = KEYS.map(({ key, kind, judgement }) => ({ key, kind, judgement }));
    const theirs = zookeeperKeys.map(({ key, set, judgement }) => ({ key, kind: KINDS[set], judgement }));
    const byKey = (a: { key: string }, b: { key: string }) => (a.key < b.key ? -1 : 1);
    expect(ours.sort(byKey)).toEqual(theirs.sort(byKey));
  });

  test('knows the documented names that ZooKeeper ignores', () => {
    const misleading = zookeeperKeys.filter(({ documented }) => documented !== undefined);
    expect(misleading).toHaveLength(15);
    for (const { key, documented } of misleading) {
      expect(findKey(documented as string)?.row.key, documented).toBe(key);
    }
    for (const name of ['maxConcurrentSnapSyncs', 'maxConcurrentDiffSyncs', 'maxTimeToWaitForEpoch']) {
      expect(findKey(name)?.row.key).toBe(`leader.${name}`);
    }
  });

  test('no name stands for two keys', () => {
    const names = KEYS.flatMap(({ key, kind, aliases = [] }) => (kind === 'file' ? [] : [key, ...aliases]));
    expect(new Set(names).size).toBe(names.length);
    expect([...allNames()].sort()).toEqual(names.sort());
  });

  test('every default and every example is a value of its type', () => {
    for (const { key, type, default: defaultText } of KEYS) {
      if (defaultText !== null) {
        expect(type.parse(defaultText), key).not.toBeUndefined();
      }
      expect(type.parse(type.example), key).not.toBeUndefined();
    }
  });

  test('every field of the configuration has a value of the same type as its default', () => {
    const directory = new ConfigDirectory();
    const { config } = directory.loadMember(THREE_SERVERS);
    directory.remove();
    for (const { key, effect, type, default: defaultText } of KEYS) {
      const [group, field] = effect.split('.');
      if (field === undefined) {
        continue;
      }
      const fields = config[group as keyof typeof config] as unknown as Record<string, unknown>;
      expect(fields, key).toHaveProperty(field);
      expect(fields[field], key).not.toBeUndefined();
      if (defaultText !== null && fields[field] !== null) {
        expect(typeof fields[field], key).toBe(typeof type.parse(defaultText));
      }
    }
  });

  test('meanings are one sentence without a full stop', () => {
    for (const { key, meaning } of KEYS) {
      expect(meaning, key).toMatch(/^[A-Z].*[^.]$/);
      expect(meaning, key).not.toMatch(/[.] [A-Z]/);
    }
  });

  test.each([
    ['server.3', 'server.N'],
    ['server.realm', 'server.realm'],
    ['server.principal', 'server.principal'],
    ['group.1', 'group.N'],
    ['weight.1', 'weight.N'],
    ['superUser', 'superUser'],
    ['superUser.alice', 'superUser.N'],
    ['zookeeper.superUser', 'superUser'],
    ['authProvider.sasl', 'authProvider.N'],
    ['zookeeper.jute.maxbuffer', 'jute.maxbuffer'],
    ['zookeeper.observer.syncEnabled', 'syncEnabled'],
  ])('%s is %s', (written, key) => {
    expect(findKey(written)?.row.key).toBe(key);
  });

  test.each(['server.', 'serverx', 'zookeeper.', '', 'myid', 'tickTime.1'])('"%s" is no key', (written) => {
    expect(findKey(written)).toBeUndefined();
  });
});
