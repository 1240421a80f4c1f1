export interface Endpoint {
  readonly host: string;
  readonly port: number;
}

export interface MemberAddress {
  readonly host: string;
  readonly quorumPort: number;
  readonly electionPort: number;
}

/** One `server.N` line: who belongs to the ensemble and where it is found. */
export interface Member {
  readonly id: number;
  /** Several only with multiAddress.enabled. */
  readonly addresses: readonly MemberAddress[];
  readonly role: 'participant' | 'observer';
  /** Null: not said in the line. */
  readonly client: Endpoint | null;
  readonly secureClient: Endpoint | null;
}

/** The line is not one; the message says what is wrong with it. */
export class MemberFault extends Error {}

const FORM = 'host:port:electionPort[:participant|observer][;[address:]clientPort[;[address:]secureClientPort]]';

/**
 * Reads what stands behind `server.N=`: `host:port:electionPort[:role][;[address:]clientPort[;[address:]securePort]]`,
 * several `host:port:electionPort[:role]` separated by `|`, IPv6 addresses in brackets.
 *
 * @throws MemberFault
 */
export function parseMember(id: number, line: string): Member {
  const [servers, client = '', secureClient = '', ...rest] = line.split(';').map((part) => part.trim());
  if (rest.length > 0) {
    throw new MemberFault(`has more than two client addresses; expected ${FORM}`);
  }
  const parsed = servers.split('|').map(parseServer);
  const roles = new Set(parsed.map((server) => server.role).filter((role) => role !== null));
  if (roles.size > 1) {
    throw new MemberFault('gives its addresses different roles');
  }
  return {
    id,
    addresses: parsed.map(({ host, quorumPort, electionPort }) => ({ host, quorumPort, electionPort })),
    role: [...roles][0] ?? 'participant',
    client: client === '' ? null : parseEndpoint(client),
    secureClient: secureClient === '' ? null : parseEndpoint(secureClient),
  };
}

/**
 * What stands behind `server.N=` in a configuration text: addresses in the order of their hosts, the role once at the
 * end, client addresses if they were given.
 */
export function memberText(member: Member): string {
  const addresses = [...member.addresses].sort((one, other) => compareTexts(one.host, other.host));
  const servers = addresses.map(
    ({ host, quorumPort, electionPort }) => `${hostText(host)}:${quorumPort}:${electionPort}`,
  );
  const client = member.client === null ? '' : endpointText(member.client);
  const secureClient = member.secureClient === null ? '' : endpointText(member.secureClient);
  const clients = secureClient === '' ? [client].filter((text) => text !== '') : [client, secureClient];
  return [`${servers.join('|')}:${member.role}`, ...clients].join(';');
}

function compareTexts(one: string, other: string): number {
  return one < other ? -1 : Number(one > other);
}

function endpointText({ host, port }: Endpoint): string {
  return `${hostText(host)}:${port}`;
}

function hostText(host: string): string {
  return host.includes(':') ? `[${host}]` : host;
}

function parseServer(text: string): MemberAddress & { role: Member['role'] | null } {
  const parts = splitHost(text.trim());
  if (parts.length < 3 || parts.length > 4) {
    throw new MemberFault(`is not of the form ${FORM}`);
  }
  const [host, quorum, election, roleName] = parts;
  checkHost(host);
  const quorumPort = parsePort(quorum);
  const electionPort = parsePort(election);
  if (quorumPort === electionPort) {
    throw new MemberFault(`has port ${quorumPort} for the quorum and for elections`);
  }
  const role = roleName?.trim().toLowerCase() ?? null;
  if (role !== null && role !== 'participant' && role !== 'observer') {
    throw new MemberFault(`has the role '${roleName}'; expected participant or observer`);
  }
  return { host, quorumPort, electionPort, role };
}

/** Other characters would be read back otherwise, or end the text before its end. */
function checkHost(host: string): void {
  if (!/^[^\s\\|;[\]\p{Cc}]+$/u.test(host)) {
    throw new MemberFault(`has '${JSON.stringify(host).slice(1, -1)}' where a host name or an IP address belongs`);
  }
}

function parseEndpoint(text: string): Endpoint {
  const parts = splitHost(text);
  if (parts.length > 2) {
    throw new MemberFault(`has the client address '${text}'; expected [address:]port`);
  }
  const host = parts.length === 2 ? parts[0] : '0.0.0.0';
  if (host !== '') {
    checkHost(host);
  }
  return { host, port: parsePort(parts[parts.length - 1]) };
}

/** At the colons, except those of an IPv6 address in brackets, which come off. */
function splitHost(text: string): string[] {
  const bracketed = /^\[([^\]]*)\](?::(.*))?$/.exec(text);
  if (bracketed === null) {
    return text.split(':');
  }
  return bracketed[2] === undefined ? [bracketed[1]] : [bracketed[1], ...bracketed[2].split(':')];
}

function parsePort(text: string): number {
  const port = /^\s*\d{1,5}\s*$/.test(text) ? Number(text) : Number.NaN;
  if (!(port <= 65535)) {
    throw new MemberFault(`has '${text}' where a port from 0 to 65535 belongs`);
  }
  return port;
}
