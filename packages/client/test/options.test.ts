import { describe, expect, test } from 'vitest';
import { checkOptions } from '../src/check-options.ts';
import { connect } from '../src/connect.ts';
import { nearest } from '../src/nearest.ts';
import type { ConnectOptions } from '../src/options.ts';

const PASSWORD = new Uint8Array(16);

describe('options', () => {
  test('good ones pass', () => {
    const options: ConnectOptions = {
      sessionTimeoutMs: 10_000,
      connectTimeoutMs: Number.POSITIVE_INFINITY,
      requestTimeoutMs: 0.5,
      signal: new AbortController().signal,
      readOnly: true,
      session: { id: -5n, password: PASSWORD },
      onExpired: 'new-session',
      expireByOwnClock: true,
      auth: [
        { scheme: 'digest', credentials: 'a:b' },
        { scheme: 'x', credentials: PASSWORD },
      ],
      sasl: { mechanism: 'GSSAPI', hostname: 'kdc' },
      tls: { caFile: 'ca.pem', checkHostname: false, minVersion: 'TLSv1.3' },
      inFlightMax: 1,
      queuedMax: 1,
      requestBytesMax: 4096,
      replyBytesMax: 4096,
      retry: { attemptsMax: 1, when: () => false },
      hostOrder: 'given',
      transport: { connect: () => ({ write() {}, close() {}, destroy() {} }) },
      resolver: async () => [],
      followConfig: true,
      srvRefreshMs: 1000,
      srvResolver: async () => [],
    };
    expect(() => checkOptions(options)).not.toThrow();
    expect(() => checkOptions({ sasl: { mechanism: 'DIGEST-MD5', username: 'u', password: 'p' } })).not.toThrow();
    expect(() => checkOptions({ retry: false, tls: true, readOnly: undefined })).not.toThrow();
  });

  test.each<[object, string]>([
    [{ sesionTimeoutMs: 1 }, 'there is no option "sesionTimeoutMs"; did you mean "sessionTimeoutMs"?'],
    [{ zzz: 1 }, 'there is no option "zzz"'],
    [{ sessionTimeoutMs: '30s' }, 'option sessionTimeoutMs must be a whole number'],
    [{ requestTimeoutMs: 0 }, 'option requestTimeoutMs must be a number of milliseconds above 0'],
    [{ onExpired: 'retry' }, "option onExpired must be 'close' or 'new-session'"],
    [{ retry: { attempts: 3 } }, 'option retry must be an object without "attempts"'],
    [{ tls: { cafile: 'x' } }, 'an object without "cafile"; did you mean "caFile"?'],
    [{ tls: 'yes' }, 'option tls must be an object with'],
    [{ auth: { scheme: 'digest' } }, 'option auth must be a list of'],
    [{ auth: [{ scheme: 'digest' }] }, 'option auth must be an object with credentials'],
    [{ session: { id: 5, password: PASSWORD } }, 'whose id is a bigint other than 0n'],
    [{ session: { id: 5n, password: new Uint8Array(3) } }, 'whose password is a Uint8Array of 16 bytes'],
    [{ sasl: { mechanism: 'PLAIN', username: 'u', password: 'p' } }, "mechanism is 'DIGEST-MD5' or 'GSSAPI'"],
    [{ sasl: { mechanism: 'DIGEST-MD5', username: 'u' } }, 'an object with password'],
    [{ transport: {} }, 'option transport must be an object with a method connect'],
  ])('%o is refused', (options, message) => {
    expect(() => checkOptions(options as ConnectOptions)).toThrow(
      expect.objectContaining({ code: 'INVALID_OPTION', message: expect.stringContaining(message) }),
    );
  });

  test('connect rejects, it does not throw', async () => {
    await expect(connect('')).rejects.toMatchObject({ code: 'INVALID_OPTION' });
    await expect(connect('h', { x: 1 } as ConnectOptions)).rejects.toMatchObject({ code: 'INVALID_OPTION' });
  });
});

test('the nearest word is found when it is near', () => {
  const words = ['sessionTimeoutMs', 'connectTimeoutMs', 'auth'];
  expect(nearest('sessionTimeout', words)).toBe('sessionTimeoutMs');
  expect(nearest('AUTH', words)).toBe('auth');
  expect(nearest('oauth2', words)).toBe('auth');
  expect(nearest('retries', words)).toBeNull();
});
