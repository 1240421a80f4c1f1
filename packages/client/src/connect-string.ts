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
  readonly root: string;
}

/** Takes `h1:2181,h2:2181/chroot` apart. Throws INVALID_OPTION that says which part is wrong. */
export function parseConnectString(text: string): ConnectTarget {
  if (text.includes('://')) {
    throw invalid(text, 'it is no URL: write host:port, without a scheme; for TLS give the option tls');
  }
  const slash = text.indexOf('/');
  const servers = slash < 0 ? text : text.slice(0, slash);
  const root = slash < 0 ? '' : text.slice(slash);
  const fault = root === '' ? null : pathFault(root);
  if (fault !== null) {
    throw invalid(text, `the root path "${root}" is wrong: ${fault}`);
  }
  const hosts = servers
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '')
    .map((part) => parseServer(part, text));
  if (hosts.length === 0) {
    throw invalid(text, 'it names no server');
  }
  return { hosts, root: root === '/' ? '' : root };
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
