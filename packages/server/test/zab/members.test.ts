import { describe, expect, test } from 'vitest';
import { MemberFault, parseMember } from '../../src/zab/members.ts';

describe('server lines', () => {
  test('the old form', () => {
    expect(parseMember(1, 'zoo1:2888:3888')).toEqual({
      id: 1,
      addresses: [{ host: 'zoo1', quorumPort: 2888, electionPort: 3888 }],
      role: 'participant',
      client: null,
      secureClient: null,
    });
  });

  test.each([
    ['h:1:2;2181', { host: '0.0.0.0', port: 2181 }, null],
    ['h:1:2;10.0.0.1:2181', { host: '10.0.0.1', port: 2181 }, null],
    ['h:1:2:observer;2181;2281', { host: '0.0.0.0', port: 2181 }, { host: '0.0.0.0', port: 2281 }],
    ['h:1:2;;h:2281', null, { host: 'h', port: 2281 }],
    ['h:1:2;[::1]:2181', { host: '::1', port: 2181 }, null],
  ])('clients of %s', (line, client, secureClient) => {
    expect(parseMember(1, line)).toMatchObject({ client, secureClient });
  });

  test('roles, several addresses, IPv6', () => {
    expect(parseMember(2, 'h:1:2:Observer').role).toBe('observer');
    expect(parseMember(2, '[2001:db8::1]:1:2|h:3:4').addresses).toEqual([
      { host: '2001:db8::1', quorumPort: 1, electionPort: 2 },
      { host: 'h', quorumPort: 3, electionPort: 4 },
    ]);
  });

  test.each([
    ['h', 'not of the form'],
    ['h:1', 'not of the form'],
    ['h:1:2:participant:x', 'not of the form'],
    ['h:x:2', "'x' where a port"],
    ['h:1:65536', "'65536' where a port"],
    ['h:1:1', 'for the quorum and for elections'],
    ['h:1:2:leader', "role 'leader'"],
    ['h:1:2:observer|h:3:4:participant', 'different roles'],
    ['h:1:2;a:b:3', 'client address'],
    ['h:1:2;1;2;3', 'more than two client addresses'],
    ['h:1:2;x', "'x' where a port"],
    ['[\u0000x]:1:2', "'\\u0000x' where a host"],
    ['a\\b:1:2', "'a\\\\b' where a host"],
    ['[h:1:2', "'[h' where a host"],
    ['h:1:2;a b:3', "'a b' where a host"],
    ['h:1:2;a\\u0020:3', "'a\\\\u0020' where a host"],
  ])('%s is refused', (line, reason) => {
    expect(() => parseMember(1, line)).toThrow(MemberFault);
    expect(() => parseMember(1, line)).toThrow(reason);
  });
});
