/** An HTTP port could not be opened. In a file of its own: the HTTP server is loaded only where one is wanted. */
export class HttpPortError extends Error {
  override readonly name = 'HttpPortError';
  readonly server: 'admin' | 'metrics';

  constructor(server: 'admin' | 'metrics', message: string) {
    super(message);
    this.server = server;
  }
}

/** What client ports are set by; a message about one names all. */
export const CLIENT_PORT_KEYS = 'clientPort, clientPortAddress, secureClientPort, secureClientPortAddress';

interface ListenError extends NodeJS.ErrnoException {
  readonly port?: number;
  readonly address?: string;
  readonly hostname?: string;
}

/** Whether the error is that of a port that could not be had, and what to tell the operator then. */
export function portProblem(error: unknown): string | null {
  if (!(error instanceof Error)) {
    return null;
  }
  const { syscall, port, address, hostname, code } = error as ListenError;
  if (syscall === 'getaddrinfo') {
    return nameProblem(String(hostname), String(code));
  }
  if (syscall !== 'listen') {
    return null;
  }
  const where = `port ${port} on ${address ?? 'all addresses'}`;
  switch (code) {
    case 'EADDRINUSE':
      return `${where} is in use: another server runs there. Stop it, or set another port`;
    case 'EACCES':
      return `${where} may only be opened by a privileged user: set a port above 1023`;
    case 'EADDRNOTAVAIL':
      return `${where}: this machine does not have that address`;
    default:
      return `${where} cannot be opened: ${error.message}`;
  }
}

/** Whether it is the address that is wrong, not the port. */
export function isAddressProblem(error: unknown): boolean {
  const { syscall, code } = error as Partial<ListenError>;
  return syscall === 'getaddrinfo' || code === 'EADDRNOTAVAIL';
}

/** A host name that leads nowhere; `reason` is the resolver's code. */
export function nameProblem(host: string, reason: string): string {
  return `the host name ${host} cannot be resolved here (${reason}): correct it, or make it known to this machine`;
}
