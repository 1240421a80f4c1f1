/** An HTTP port could not be opened. In a file of its own: the HTTP server is loaded only where one is wanted. */
export class HttpPortError extends Error {
  override readonly name = 'HttpPortError';
  readonly server: 'admin' | 'metrics';

  constructor(server: 'admin' | 'metrics', message: string) {
    super(message);
    this.server = server;
  }
}

/** Whether the error is that of a port that could not be had, and what to tell the operator then. */
export function portProblem(error: unknown): string | null {
  if (!(error instanceof Error) || (error as NodeJS.ErrnoException).syscall !== 'listen') {
    return null;
  }
  const { port, address, code } = error as NodeJS.ErrnoException & { port?: number; address?: string };
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
