/** setAcl -R, where not every node takes part. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from '@treekeeper/client';
import { startServer, type TestServer } from '@treekeeper/testing';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { Arguments } from '../../src/commands/shell/arguments.ts';
import { setAcl } from '../../src/commands/shell/commands/set-acl.ts';
import { History } from '../../src/commands/shell/history.ts';
import { processIo } from '../../src/commands/shell/io.ts';
import { Shell } from '../../src/commands/shell/shell.ts';
import { Shells } from '../support/shell.ts';

let server: TestServer;
let shells: Shells;
const directory = mkdtempSync(join(tmpdir(), 'treekeeper-shell-'));
beforeAll(async () => {
  server = await startServer();
  shells = new Shells(server);
});
afterAll(async () => {
  rmSync(directory, { recursive: true });
  await server[Symbol.asyncDispose]();
});
afterEach(() => shells.clear());

test('those that refuse are told, and all others are changed', async () => {
  // More than are under way at the same time.
  const names = Array.from({ length: 600 }, (_, i) => `n${i}`);
  const acl = (name: string): string => (name === 'n0' || name === 'n7' ? 'world:anyone:r' : 'world:anyone:cdrwa');
  const nodes = [{ path: '' }, ...names.map((name) => ({ path: name, acl: acl(name) }))];
  const file = join(directory, 'tree.json');
  writeFileSync(file, JSON.stringify({ format: 'treekeeper-tree-1', nodes }));
  await shells.ok(`cp -r file:${file} /s`);
  const { code, out, err } = await shells.one('setAcl', '-R', '/s', 'world:anyone:dra');
  expect({ code, out }).toEqual({ code: 1, out: 'Changed 599 nodes\n' });
  expect(err).toContain('2 of 601 nodes keep the ACL they had\n/s/n0: NO_AUTH\n/s/n7: NO_AUTH\n');
  expect(await shells.ok('getAcl /s/n599')).toContain(': dra');
  const alone = await shells.one('setAcl', '-R', '/s/n0', 'world:anyone:dra');
  expect(alone).toMatchObject({ code: 1, err: expect.stringContaining('Insufficient permission : /s/n0\n') });
  expect((await shells.one('setAcl', '-R', '/s', 'none:such:r')).err).toContain('Acl is not valid');
});

test('one that goes away meanwhile is passed over', async () => {
  await shells.ok('create /s\ncreate /s/gone\ncreate /s/stays');
  await using client = await connect(server.connectString);
  let out = '';
  const io = { ...processIo({ out: (text) => (out += text), err: () => {}, colour: false, env: {} }) };
  const options = {
    io,
    commands: [setAcl],
    history: new History(null),
    servers: '',
    connect: {},
    output: 'text',
  } as const;
  const session = new Shell(options);
  // Deletes the node at the last moment.
  const late = new Proxy(client, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name, target);
      return name !== 'setAcl'
        ? typeof value === 'function'
          ? value.bind(target)
          : value
        : async (path: string, ...rest: [never, never]) => {
            if (path === '/s/gone') {
              await target.delete(path);
            }
            return target.setAcl(path, ...rest);
          };
    },
  });
  Object.defineProperty(session, 'client', { value: late });
  await setAcl.run(session, new Arguments(setAcl, ['-R', '/s', 'world:anyone:cdra']));
  expect(out).toBe('Changed 2 nodes\n');
  expect(await shells.ok('ls /s')).toBe('[stays]\n');
});
