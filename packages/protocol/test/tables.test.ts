import * as protocol from '@treekeeper/protocol';
import {
  AddWatchMode,
  aclEquals,
  ErrorNumber,
  EventType,
  errorCodeOf,
  errorTable,
  isZooKeeperError,
  KeeperState,
  OPEN_ACL,
  OpCode,
  opCodeName,
  Perms,
  READ_ACL,
  SpecialXid,
  WatcherType,
  ZooKeeperError,
} from '@treekeeper/protocol';
import { describe, expect, test } from 'vitest';

describe('errors', () => {
  test('are those of client-protocol.md §4, all of them', () => {
    const numbers = [
      ...[-1, -2, -3, -4, -5, -6, -7, -8, -9, -12, -13, -14, -15],
      ...[-100, -101, -102, -103, -108, -110, -111, -112, -113, -114, -115, -116, -117, -118, -119],
      ...[-120, -121, -122, -123, -124, -125, -127],
    ];
    expect(Object.values(errorTable).map((row) => row.number)).toEqual(numbers);
  });

  test('have the names that programs match on', () => {
    expect({
      '-2': errorCodeOf(-2),
      '-5': errorCodeOf(-5),
      '-6': errorCodeOf(-6),
      '-8': errorCodeOf(-8),
      '-101': errorCodeOf(-101),
      '-102': errorCodeOf(-102),
      '-103': errorCodeOf(-103),
      '-110': errorCodeOf(-110),
      '-111': errorCodeOf(-111),
      '-112': errorCodeOf(-112),
      '-118': errorCodeOf(-118),
      '-127': errorCodeOf(-127),
    }).toEqual({
      '-2': 'RUNTIME_INCONSISTENCY',
      '-5': 'MARSHALLING_ERROR',
      '-6': 'UNIMPLEMENTED',
      '-8': 'BAD_ARGUMENTS',
      '-101': 'NO_NODE',
      '-102': 'NO_AUTH',
      '-103': 'BAD_VERSION',
      '-110': 'NODE_EXISTS',
      '-111': 'NOT_EMPTY',
      '-112': 'SESSION_EXPIRED',
      '-118': 'SESSION_MOVED',
      '-127': 'THROTTLED_OP',
    });
    for (const [code, row] of Object.entries(errorTable)) {
      expect(errorCodeOf(row.number)).toBe(code);
      expect(ErrorNumber[code as keyof typeof errorTable]).toBe(row.number);
      expect(row.meaning).toMatch(/^\S.*[^.]$/);
    }
    expect([0, -10, -104, -126, 1].map(errorCodeOf)).toEqual([undefined, undefined, undefined, undefined, undefined]);
  });

  test('are one class that says what happened and what repeating means', () => {
    const error = new ZooKeeperError('NO_NODE', '/a');
    expect(error.message).toBe('NO_NODE for /a: the node does not exist');
    expect([error.code, error.number, error.path, error.retry]).toEqual(['NO_NODE', -101, '/a', 'never']);
    expect(new ZooKeeperError('CONNECTION_LOSS').retry).toBe('unknown');
    expect(new ZooKeeperError('CLOSING').message).toBe('CLOSING: the client is closing');
    expect([isZooKeeperError(error), isZooKeeperError(error, 'NO_NODE'), isZooKeeperError(error, 'NO_AUTH')]).toEqual([
      true,
      true,
      false,
    ]);
    expect([isZooKeeperError(new Error('NO_NODE')), isZooKeeperError(undefined)]).toEqual([false, false]);
  });
});

test('operations are those of client-protocol.md §3.3', () => {
  const numbers = [...Array(10).keys(), ...[11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22], -10, -11, -1];
  const late = [100, 101, 102, 103, 104, 105, 106, 107];
  const ascending = (list: number[]) => list.toSorted((a, b) => a - b);
  expect(ascending(Object.values(OpCode))).toEqual(ascending([...numbers, ...late]));
  expect([opCodeName(4), opCodeName(-11), opCodeName(10), opCodeName(108)]).toEqual([
    'getData',
    'closeSession',
    undefined,
    undefined,
  ]);
  expect(SpecialXid).toEqual({ watchEvent: -1, ping: -2, auth: -4, setWatches: -8 });
});

test('watch numbers are those of client-protocol.md §7', () => {
  expect(Object.values(EventType)).toEqual([-1, 1, 2, 3, 4, 5, 6, 7]);
  expect(KeeperState).toMatchObject({ disconnected: 0, syncConnected: 3, connectedReadOnly: 5, expired: -112 });
  expect(AddWatchMode).toEqual({ persistent: 0, persistentRecursive: 1 });
  expect(WatcherType).toEqual({ children: 1, data: 2, any: 3, persistent: 4, persistentRecursive: 5 });
});

test('ACLs', () => {
  expect(Perms.read | Perms.write | Perms.create | Perms.delete | Perms.admin).toBe(Perms.all);
  const copy = structuredClone(OPEN_ACL) as typeof OPEN_ACL;
  expect(aclEquals(OPEN_ACL, copy)).toBe(true);
  expect(aclEquals(OPEN_ACL, READ_ACL)).toBe(false);
  expect(aclEquals(OPEN_ACL, [...OPEN_ACL, ...OPEN_ACL])).toBe(false);
  expect(aclEquals(OPEN_ACL, [{ perms: 31, id: { scheme: 'world', id: 'x' } }])).toBe(false);
  expect(aclEquals(OPEN_ACL, [{ perms: 31, id: { scheme: 'ip', id: 'anyone' } }])).toBe(false);
});

test('the package exports no undefined name', () => {
  expect(Object.entries(protocol).filter(([, value]) => value === undefined)).toEqual([]);
});
