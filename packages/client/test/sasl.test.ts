/** The SASL mechanisms against the other side of the exchange. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { DigestMd5Server, ZOOKEEPER_REALM, ZOOKEEPER_SERVICE } from '../../server/src/auth/sasl-digest-md5.ts';
import { DigestMd5Conversation } from '../src/sasl/digest-md5.ts';
import { gssapiConversations } from '../src/sasl/gssapi.ts';

function serverThatKnows(password: string): DigestMd5Server {
  return new DigestMd5Server({
    service: ZOOKEEPER_SERVICE,
    realm: ZOOKEEPER_REALM,
    passwordOf: () => password,
    randomBytes: (sizeBytes) => new Uint8Array(sizeBytes),
  });
}

describe('DIGEST-MD5', () => {
  test('the server takes every user and password, and proves to know it as well', async () => {
    const text = fc.string({ unit: 'binary', minLength: 1 });
    await fc.assert(
      fc.asyncProperty(text, text, async (username, password) => {
        const server = serverThatKnows(password);
        const client = new DigestMd5Conversation(username, password);
        const challenge = server.step((await client.step(null)) as Uint8Array);
        expect(challenge.kind).toBe('challenge');
        const done = server.step((await client.step((challenge as { token: Uint8Array }).token)) as Uint8Array);
        expect(done).toMatchObject({ kind: 'done', user: username });
        expect(await client.step((done as { token: Uint8Array }).token)).toBeNull();
      }),
    );
  });

  test('a wrong password is refused, and so is a server that cannot prove itself', async () => {
    const server = serverThatKnows('right');
    const client = new DigestMd5Conversation('joe', 'wrong');
    const challenge = server.step((await client.step(null)) as Uint8Array) as { token: Uint8Array };
    expect(server.step((await client.step(challenge.token)) as Uint8Array).kind).toBe('failed');
    await expect(client.step(Buffer.from('rspauth=0123'))).rejects.toMatchObject({ code: 'AUTH_FAILED' });
    const other = new DigestMd5Conversation('joe', 'x');
    await other.step(null);
    await expect(other.step(Buffer.from('realm="r"'))).rejects.toMatchObject({ code: 'AUTH_FAILED' });
  });
});

describe('GSSAPI', () => {
  test('the context first, then the refusal of security layers', async () => {
    const calls: string[] = [];
    const client = {
      contextComplete: false,
      async step(challenge: string) {
        calls.push(`step ${challenge}`);
        this.contextComplete = challenge !== '';
        return Buffer.from(`token ${calls.length}`).toString('base64');
      },
      async unwrap(challenge: string) {
        calls.push(`unwrap ${challenge}`);
        return '';
      },
      async wrap(answer: string) {
        calls.push(`wrap ${answer}`);
        return Buffer.from('wrapped').toString('base64');
      },
    };
    const kerberos = {
      initializeClient: async (service: string) => {
        calls.push(service);
        return client;
      },
    };
    const begin = await gssapiConversations({ mechanism: 'GSSAPI' }, async () => ({ default: kerberos }));
    const conversation = begin('zk1.example');
    const answers = [null, 'a', 'b', 'c'].map((challenge) => (challenge === null ? null : Buffer.from(challenge)));
    const tokens: (string | null)[] = [];
    for (const challenge of answers) {
      const token = await conversation.step(challenge);
      tokens.push(token === null ? null : Buffer.from(token).toString());
    }
    expect(tokens).toEqual(['token 2', 'token 3', 'wrapped', null]);
    expect(calls).toEqual(['zookeeper@zk1.example', 'step ', 'step YQ==', 'unwrap Yg==', 'wrap AQAAAA==']);
  });

  test('without the package: which one, and what to do', async () => {
    const missing = gssapiConversations({ mechanism: 'GSSAPI' }, () => Promise.reject(new Error('not found')));
    await expect(missing).rejects.toMatchObject({ code: 'KERBEROS_MISSING', message: /npm install kerberos/ });
  });
});
