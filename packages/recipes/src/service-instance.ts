/** Instances of services, and their form in the tree: that of Curator's service discovery. */
import type { Codec, StandardSchema } from '@treekeeper/client';
import { checked } from './schema.ts';
import { filled, partsOf, type UriPart } from './uri-pattern.ts';

/** One running instance of a service. */
export interface ServiceInstance<M = unknown> {
  /** Of the service. */
  readonly name: string;
  /** Different for each instance of the service. */
  readonly id: string;
  readonly address: string;
  readonly port: number | null;
  readonly sslPort: number | null;
  readonly metadata: M;
  /** Its health, as it says itself: who is not enabled is listed, but not chosen. */
  readonly enabled: boolean;
  readonly registeredAtMs: number;
  /** Where to reach it: its pattern filled in, or `scheme://address:port`. */
  readonly url: string;
}

/** What an instance says of itself when it registers. */
export interface InstanceDescription<M> {
  /** A host name or an IP address. */
  readonly address: string;
  readonly port?: number | undefined;
  /** With it, URLs are https. */
  readonly sslPort?: number | undefined;
  /** Must differ from that of all other instances; the same one takes the place of an earlier run. @default a UUID */
  readonly id?: string | undefined;
  readonly metadata: M;
  /** @default true */
  readonly enabled?: boolean | undefined;
  /** Of its URL: `{scheme}://{address}:{port}/api`; fields as Curator's. @default `{scheme}://{address}:{port}` */
  readonly uri?: string | undefined;
}

/** In the tree, as JSON. Other fields are ignored. */
interface InstanceRecord {
  readonly name: string;
  readonly id: string;
  readonly address: string;
  readonly port: number | null;
  readonly sslPort: number | null;
  readonly payload: unknown;
  readonly registrationTimeUTC: number;
  readonly serviceType: string;
  readonly uriSpec: { readonly parts: readonly UriPart[] } | null;
  readonly enabled: boolean;
}

/** The record of an instance that registers. Throws TypeError when it says what cannot be. */
export function recordOf(
  name: string,
  id: string,
  description: InstanceDescription<unknown>,
  registeredAtMs: number,
): InstanceRecord {
  const { address, port = null, sslPort = null, metadata, enabled = true, uri } = description;
  const record = {
    name,
    id,
    address,
    port,
    sslPort,
    payload: metadata,
    registrationTimeUTC: registeredAtMs,
    serviceType: 'DYNAMIC',
    uriSpec: uri === undefined ? null : { parts: partsOf(uri) },
    enabled,
  };
  demandRecord(record);
  return record;
}

/** Reads instances; writes their records. With a schema, metadata are checked by it. */
export function instanceCodec<M>(
  schema: StandardSchema<unknown, M> | undefined,
): Codec<ServiceInstance<M>, InstanceRecord> {
  return {
    encode: (record) => Buffer.from(JSON.stringify(record)),
    async decode(data) {
      const raw: unknown = JSON.parse(Buffer.from(data ?? []).toString());
      const record = { port: null, sslPort: null, payload: null, uriSpec: null, enabled: true, ...Object(raw) };
      demandRecord(record);
      const metadata = schema === undefined ? (record.payload as M) : await checked(schema, record.payload);
      return instanceOf(record, metadata);
    },
  };
}

function instanceOf<M>(record: InstanceRecord, metadata: M): ServiceInstance<M> {
  const { name, id, address, port, sslPort, enabled, registrationTimeUTC } = record;
  const url = urlOf(record);
  return { name, id, address, port, sslPort, metadata, enabled, registeredAtMs: registrationTimeUTC, url };
}

function urlOf({
  name,
  id,
  address,
  port,
  sslPort,
  uriSpec,
  registrationTimeUTC,
  serviceType,
}: InstanceRecord): string {
  const scheme = sslPort === null ? 'http' : 'https';
  const host = address.includes(':') ? `[${address}]` : address;
  if (uriSpec === null) {
    const mainPort = sslPort ?? port;
    return `${scheme}://${host}${mainPort === null ? '' : `:${mainPort}`}`;
  }
  const fields = new Map([
    ['scheme', scheme],
    ['name', name],
    ['id', id],
    ['address', host],
    ['port', String(port ?? '')],
    ['ssl-port', String(sslPort ?? '')],
    ['registration-time-utc', String(registrationTimeUTC)],
    ['service-type', serviceType.toLowerCase()],
    ['[', '{'],
    [']', '}'],
  ]);
  return filled(uriSpec.parts, fields);
}

const isPort = (value: unknown): boolean =>
  value === null || (Number.isInteger(value) && (value as number) >= 0 && (value as number) <= 65_535);
const isText = (value: unknown): boolean => typeof value === 'string' && value !== '';
const isParts = (value: unknown): boolean =>
  value === null ||
  (Array.isArray((value as { parts?: unknown }).parts) &&
    (value as { parts: unknown[] }).parts.every(
      (part) => typeof Object(part).value === 'string' && typeof Object(part).variable === 'boolean',
    ));

const checks: readonly [key: keyof InstanceRecord, holds: (value: unknown) => boolean, what: string][] = [
  ['name', isText, 'the name of the service'],
  ['id', (value) => isText(value) && !(value as string).includes('/'), 'text without a /'],
  ['address', isText, 'a host name or an IP address'],
  ['port', isPort, 'a port, or null'],
  ['sslPort', isPort, 'a port, or null'],
  ['registrationTimeUTC', Number.isFinite, 'a time in milliseconds'],
  ['serviceType', isText, 'a type of services'],
  ['uriSpec', isParts, 'an object with parts, or null'],
  ['enabled', (value) => typeof value === 'boolean', 'true or false'],
];

function demandRecord(record: object): asserts record is InstanceRecord {
  for (const [key, holds, what] of checks) {
    const value = (record as Record<string, unknown>)[key];
    if (!holds(value)) {
      throw new TypeError(`${key} is ${JSON.stringify(value)}, and must be ${what}`);
    }
  }
}
