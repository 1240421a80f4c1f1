import { pathFault } from '@treekeeper/protocol';
import { TreekeeperError } from './errors.ts';
import type { HostPort } from './session/types.ts';

const DEFAULT_PORT = 2181;
const PORT_MAX = 65535;
/** `name`, `1.2.3.4`, `[::1]`, each with or without a port; an IPv6 address without brackets would be ambiguous. */
const SERVER = /^(?:\[([0-9a-fA-F:.%\w]+)\]|([^\s:[\]/]+))(?::(\d+))?$/;

/** Servers, and the path that the client will call `/` ('' for the real root). */
export interface ConnectTarget {
  readonly hosts: readonly HostPort[];
  /** A name whose SRV records name the servers, which are not known yet; null: `hosts` does. */
  readonly srvName: string | null;
  readonly root: string;
}

const SRV_SCHEME = 'dns-srv://';

/** Takes `h1:2181,h2:2181/chroot` or `dns-srv://name/chroot` apart. Throws INVALID_OPTION that says what is wrong. */
export function parseConnectString(text: string): ConnectTarget {
  if (text.startsWith(SRV_SCHEME)) {
    const rest = text.slice(SRV_SCHEME.length);
    const { servers, root } = splitRoot(rest, text);
    if (!/^[^\s:,[\]]+$/.test(servers)) {
      throw invalid(text, `"${servers}" is no name with SRV records, as _zookeeper._tcp.example.com is`);
    }
    return { hosts: [], srvName: servers, root };
  }
  if (text.includes('://')) {
    throw invalid(text, 'it is no URL: write host:port, without a scheme; for TLS give the option tls');
  }
  const { servers, root } = splitRoot(text, text);
  const hosts = parseServers(servers, text);
  return { hosts, srvName: null, root };
}

/** A list without a root: what a session changes its servers to. */
export function parseServerList(text: string): readonly HostPort[] {
  if (text.includes('/')) {
    throw invalid(text, 'a list of servers has no root path and no scheme: the root of a client does not change');
  }
  return parseServers(text, text);
}

function splitRoot(rest: string, text: string): { readonly servers: string; readonly root: string } {
  const slash = rest.indexOf('/');
  const servers = slash < 0 ? rest : rest.slice(0, slash);
  const root = slash < 0 ? '' : rest.slice(slash);
  const fault = root === '' ? null : pathFault(root);
  if (fault !== null) {
    throw invalid(text, `the root path "${root}" is wrong: ${fault}`);
  }
  return { servers, root: root === '/' ? '' : root };
}

function parseServers(servers: string, text: string): readonly HostPort[] {
  const hosts = servers
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '')
    .map((part) => parseServer(part, text));
  if (hosts.length === 0) {
    throw invalid(text, 'it names no server');
  }
  return hosts;
}

function parseServer(part: string, text: string): HostPort {
  const found = SERVER.exec(part);
  if (found === null) {
    throw invalid(text, `"${part}" is no server: write host:port, and an IPv6 address in brackets`);
  }
  const port = found[3] === undefined ? DEFAULT_PORT : Number(found[3]);
  if (port < 1 || port > PORT_MAX) {
    throw invalid(text, `the port of "${part}" is not between 1 and ${PORT_MAX}`);
  }
  return { host: (found[1] ?? found[2]) as string, port };
}

function invalid(text: string, fault: string): TreekeeperError {
  return new TreekeeperError('INVALID_OPTION', {
    operation: 'connect',
    message: `connect string "${text}": ${fault}`,
  });
}
