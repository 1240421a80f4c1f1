/** Options as programs give them, checked: what is misspelt or impossible is said by name. */
import { TreekeeperError } from './errors.ts';
import { nearest } from './nearest.ts';
import type { ConnectOptions } from './options.ts';

type Fault = string | null;
type Check = (value: unknown) => Fault;

const INT32_MAX = 0x7fffffff;
const PASSWORD_BYTES = 16;

const milliseconds: Check = (value) =>
  typeof value === 'number' && value > 0 ? null : 'a number of milliseconds above 0';
const whole =
  (min: number, max: number): Check =>
  (value) =>
    Number.isInteger(value) && (value as number) >= min && (value as number) <= max
      ? null
      : `a whole number from ${min} to ${max}`;
const boolean: Check = (value) => (typeof value === 'boolean' ? null : 'true or false');
const oneOf =
  (...allowed: readonly string[]): Check =>
  (value) =>
    allowed.includes(value as string) ? null : allowed.map((each) => `'${each}'`).join(' or ');
const text: Check = (value) => (typeof value === 'string' && value !== '' ? null : 'a string that is not empty');
const aFunction: Check = (value) => (typeof value === 'function' ? null : 'a function');
const bytesOrText: Check = (value) =>
  typeof value === 'string' || value instanceof Uint8Array ? null : 'a string or Uint8Array';

/** An object of exactly such properties; those named must be there. */
function shape(checks: Readonly<Record<string, Check>>, required: readonly string[] = []): Check {
  return (value) => {
    if (typeof value !== 'object' || value === null) {
      return `an object with ${Object.keys(checks).join(', ')}`;
    }
    for (const [key, part] of Object.entries(value)) {
      const check = Object.hasOwn(checks, key) ? checks[key] : undefined;
      if (check === undefined) {
        return `an object without "${key}"${hint(key, Object.keys(checks))}`;
      }
      const fault = part === undefined ? null : check(part);
      if (fault !== null) {
        return `an object whose ${key} is ${fault}`;
      }
    }
    const missing = required.find((key) => (value as Record<string, unknown>)[key] === undefined);
    return missing === undefined ? null : `an object with ${missing}`;
  };
}

const retry: Check = (value) =>
  value === false
    ? null
    : shape({ attemptsMax: whole(1, INT32_MAX), delayMinMs: milliseconds, delayMaxMs: milliseconds, when: aFunction })(
        value,
      );

const sasl: Check = (value) =>
  (value as { mechanism?: unknown } | null)?.mechanism === 'GSSAPI'
    ? shape({ mechanism: text, service: text, hostname: text })(value)
    : shape({ mechanism: oneOf('DIGEST-MD5', 'GSSAPI'), username: text, password: text }, [
        'mechanism',
        'username',
        'password',
      ])(value);

const pem: Check = bytesOrText;
const tls: Check = (value) =>
  typeof value === 'boolean' || typeof value === 'function'
    ? null
    : shape({
        ca: (part) => (Array.isArray(part) ? null : pem(part)),
        caFile: text,
        crl: (part) => (Array.isArray(part) ? null : pem(part)),
        crlFile: text,
        cert: pem,
        certFile: text,
        key: pem,
        keyFile: text,
        pfx: (part) => (part instanceof Uint8Array ? null : 'a Uint8Array'),
        pfxFile: text,
        passphrase: (part) => (typeof part === 'string' ? null : 'a string'),
        servername: text,
        checkHostname: boolean,
        minVersion: oneOf('TLSv1.2', 'TLSv1.3'),
      })(value);

const auth: Check = (value) => {
  if (!Array.isArray(value)) {
    return 'a list of { scheme, credentials }';
  }
  const entry = shape({ scheme: text, credentials: bytesOrText }, ['scheme', 'credentials']);
  return value.map(entry).find((fault) => fault !== null) ?? null;
};

const session: Check = shape(
  {
    id: (value) => (typeof value === 'bigint' && value !== 0n ? null : 'a bigint other than 0n'),
    password: (value) =>
      value instanceof Uint8Array && value.length === PASSWORD_BYTES ? null : `a Uint8Array of ${PASSWORD_BYTES} bytes`,
  },
  ['id', 'password'],
);

const checks: Readonly<Record<keyof ConnectOptions, Check>> = {
  sessionTimeoutMs: whole(1, INT32_MAX),
  connectTimeoutMs: milliseconds,
  failFast: boolean,
  requestTimeoutMs: milliseconds,
  signal: (value) => (value instanceof AbortSignal ? null : 'an AbortSignal'),
  readOnly: boolean,
  session,
  onExpired: oneOf('close', 'new-session'),
  expireByOwnClock: boolean,
  auth,
  sasl,
  tls,
  acl: (value) =>
    (Array.isArray(value) && value.length > 0) || typeof value === 'function'
      ? null
      : 'a list of { perms, id } that is not empty, or a function that answers one',
  inFlightMax: whole(1, INT32_MAX),
  queuedMax: whole(1, INT32_MAX),
  requestBytesMax: whole(1024, INT32_MAX),
  replyBytesMax: whole(1024, INT32_MAX),
  retry,
  hostOrder: oneOf('shuffle', 'given'),
  followConfig: boolean,
  srvRefreshMs: milliseconds,
  srvResolver: aFunction,
  transport: (value) =>
    typeof (value as { connect?: unknown } | null)?.connect === 'function' ? null : 'an object with a method connect',
  resolver: aFunction,
};

/** Throws INVALID_OPTION for the first option that is not as it should be. */
export function checkOptions(options: ConnectOptions): void {
  for (const [key, value] of Object.entries(options)) {
    if (!Object.hasOwn(checks, key)) {
      throw invalid(`there is no option "${key}"${hint(key, Object.keys(checks))}`);
    }
    const fault = value === undefined ? null : checks[key as keyof ConnectOptions](value);
    if (fault !== null) {
      throw invalid(`option ${key} must be ${fault}`);
    }
  }
}

function hint(key: string, known: readonly string[]): string {
  const guess = nearest(key, known);
  return guess === null ? '' : `; did you mean "${guess}"?`;
}

function invalid(message: string): TreekeeperError {
  return new TreekeeperError('INVALID_OPTION', { operation: 'connect', message });
}
