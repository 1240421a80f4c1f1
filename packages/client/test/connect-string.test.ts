import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseConnectString } from '../src/connect-string.ts';

describe('the connect string', () => {
  test.each([
    ['h', [{ host: 'h', port: 2181 }], ''],
    [
      'h1:1,h2:65535',
      [
        { host: 'h1', port: 1 },
        { host: 'h2', port: 65535 },
      ],
      '',
    ],
    [
      ' h1:1 , h2 ',
      [
        { host: 'h1', port: 1 },
        { host: 'h2', port: 2181 },
      ],
      '',
    ],
    ['h:1/', [{ host: 'h', port: 1 }], ''],
    ['h:1/a/b', [{ host: 'h', port: 1 }], '/a/b'],
    [
      '[::1]:7,[fe80::1%eth0]/x',
      [
        { host: '::1', port: 7 },
        { host: 'fe80::1%eth0', port: 2181 },
      ],
      '/x',
    ],
    ['127.0.0.1:2181', [{ host: '127.0.0.1', port: 2181 }], ''],
  ])('%s', (text, hosts, root) => {
    expect(parseConnectString(text)).toEqual({ hosts, srvName: null, root });
  });

  test.each([
    ['dns-srv://_zookeeper._tcp.example.com', '_zookeeper._tcp.example.com', ''],
    ['dns-srv://zk.example.com/app', 'zk.example.com', '/app'],
    ['dns-srv://zk.example.com/', 'zk.example.com', ''],
  ])('%s', (text, srvName, root) => {
    expect(parseConnectString(text)).toEqual({ hosts: [], srvName, root });
  });

  test.each([
    ['dns-srv://', '"" is no name with SRV records'],
    ['dns-srv://h:2181', '"h:2181" is no name with SRV records'],
    ['dns-srv://h1,h2', '"h1,h2" is no name with SRV records'],
    ['dns-srv://h/a/', 'the root path "/a/" is wrong'],
    ['', 'it names no server'],
    ['/a', 'it names no server'],
    ['h:0', 'the port of "h:0" is not between 1 and 65535'],
    ['h:65536', 'the port of "h:65536" is not between 1 and 65535'],
    ['h:x', '"h:x" is no server'],
    ['::1:2181', 'write host:port, and an IPv6 address in brackets'],
    ['h:1/a/', 'the root path "/a/" is wrong: a path must not end with /'],
    ['zk://h:1', 'it is no URL'],
  ])('"%s" is refused: %s', (text, message) => {
    expect(() => parseConnectString(text)).toThrow(
      expect.objectContaining({ code: 'INVALID_OPTION', message: expect.stringContaining(message) }),
    );
  });

  test('whatever it is, it is taken or refused clearly', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        try {
          expect(parseConnectString(text).hosts.length).toBeGreaterThan(0);
        } catch (error) {
          expect(error).toMatchObject({ code: 'INVALID_OPTION' });
        }
      }),
    );
  });
});
