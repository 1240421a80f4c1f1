/** SASL as existing configurations have it: a JAAS file, DIGEST-MD5, required of every client. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { GetSaslRequest, OpCode, SetSaslResponse } from '@treekeeper/protocol';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { digestMd5Response, ZOOKEEPER_REALM } from '../../src/auth/sasl-digest-md5.ts';
import { create, exists, getData, type Request, whoAmI } from '../replica/requests.ts';
import { ALL_PERMISSIONS } from './support/access.ts';
import { type Answer, Client } from './support/client.ts';
import { newDirectory, ServerProcess, type Settings } from './support/server-process.ts';

const JAAS = `Server {
  org.apache.zookeeper.server.auth.DigestLoginModule required
  user_joe="secret"
  user_admin="power";
};
`;

function sasl(token: Uint8Array): Request<{ token: Uint8Array | null }> {
  return {
    opcode: OpCode.sasl,
    encode: (writer) => GetSaslRequest.encode(writer, { token }),
    decode: (reader) => SetSaslResponse.decode(reader),
  };
}

async function logIn(client: Client, user: string, password: string): Promise<Answer<{ token: Uint8Array | null }>> {
  const challenge = await client.call(sasl(new Uint8Array(0)));
  const nonce = /nonce="([^"]*)"/.exec(Buffer.from(challenge.body.token ?? []).toString())?.[1] ?? '';
  const digestUri = `zookeeper/${ZOOKEEPER_REALM}`;
  const parts = { user, password, realm: ZOOKEEPER_REALM, nonce, clientNonce: 'c', digestUri, authorizationId: null };
  const token =
    `charset=utf-8,username="${user}",realm="${ZOOKEEPER_REALM}",nonce="${nonce}",nc=00000001,cnonce="c",` +
    `digest-uri="${digestUri}",response=${digestMd5Response(parts, 'client')},qop=auth`;
  return await client.call(sasl(Buffer.from(token)));
}

function saslSettings(directory: string): Settings {
  writeFileSync(join(directory, 'jaas.conf'), JAAS);
  return {
    'java.security.auth.login.config': join(directory, 'jaas.conf'),
    'authProvider.1': 'org.apache.zookeeper.server.auth.SASLAuthenticationProvider',
    superUser: 'admin',
    sessionRequireClientSASLAuth: 'true',
  };
}

describe('with DIGEST-MD5', () => {
  let server: ServerProcess;
  beforeAll(async () => {
    const directory = newDirectory();
    server = await ServerProcess.start({ ...saslSettings(directory), 'fips-mode': 'false' }, { directory });
  });
  afterAll(() => server.stop());

  test('who has logged in is who he says; what is his is his, and the super user’s', async () => {
    const joe = await Client.open(server.port);
    expect((await logIn(joe, 'joe', 'secret')).err).toBe(0);
    const { clientInfo } = (await joe.call(whoAmI())).body;
    expect(clientInfo).toContainEqual({ authScheme: 'sasl', user: 'joe' });
    const acl = [{ perms: ALL_PERMISSIONS, id: { scheme: 'sasl', id: 'joe' } }];
    expect((await joe.call(create('/joe', { acl }))).err).toBe(0);
    expect((await joe.call(getData('/joe'))).err).toBe(0);
    const admin = await Client.open(server.port);
    expect((await logIn(admin, 'admin', 'power')).err).toBe(0);
    expect((await admin.call(getData('/joe'))).err).toBe(0);
    await Promise.all([joe.end(), admin.end()]);
  });

  test('who has not may ask for nothing', async () => {
    const nobody = await Client.open(server.port);
    expect((await nobody.call(exists('/'))).err).toBe(-124);
    await nobody.closed;
  });

  test('a wrong password is refused, and the connection closed', async () => {
    const client = await Client.open(server.port);
    expect((await logIn(client, 'joe', 'guess')).err).not.toBe(0);
    await client.closed;
    await server.waitFor(/ INFO {2}127\.0\.0\.1:\d+ could not authenticate: .*\n/);
  });
});

test('server.realm is what rule DEFAULT takes off a name', async () => {
  const directory = newDirectory();
  const jaas = JAAS.replace(
    'user_joe',
    'user_jane@EXAMPLE.COM="secret"\n  user_jane@ELSEWHERE.ORG="secret"\n  user_joe',
  );
  const settings = { ...saslSettings(directory), 'fips-mode': 'false', 'kerberos.removeRealmFromPrincipal': 'true' };
  writeFileSync(join(directory, 'jaas.conf'), jaas);
  const server = await ServerProcess.start({ ...settings, 'server.realm': 'EXAMPLE.COM' }, { directory });
  for (const [name, user] of [
    ['jane@EXAMPLE.COM', 'jane'],
    ['jane@ELSEWHERE.ORG', 'jane@ELSEWHERE.ORG'],
  ]) {
    const client = await Client.open(server.port);
    expect((await logIn(client, name, 'secret')).err).toBe(0);
    expect((await client.call(whoAmI())).body.clientInfo).toContainEqual({ authScheme: 'sasl', user });
    await client.end();
  }
  await server.stop();
});

test('fips-mode, which is the default, takes no DIGEST-MD5', async () => {
  const directory = newDirectory();
  const server = await ServerProcess.start(saslSettings(directory), { directory });
  const client = await Client.open(server.port);
  expect((await client.call(sasl(new Uint8Array(0)))).err).not.toBe(0);
  await client.closed;
  await server.stop();
});
