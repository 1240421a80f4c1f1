interface ExitCodeRow {
  readonly code: number;
  readonly name: string;
  readonly meaning: string;
}

/** How a server process ends: ZooKeeper's numbers, so that scripts and service managers need not learn new ones. */
export const EXIT_CODES = {
  ok: { code: 0, name: 'ok', meaning: 'Ended as it was told to' },
  unexpectedError: { code: 1, name: 'unexpected error', meaning: 'Anything without a number of its own; see the log' },
  invalidInvocation: {
    code: 2,
    name: 'invalid invocation',
    meaning: 'Wrong arguments, or a configuration that cannot be used',
  },
  dataDirectory: {
    code: 3,
    name: 'data directory',
    meaning: 'A data directory is missing, cannot be written, or is in use',
  },
  adminServer: { code: 4, name: 'admin server', meaning: 'The admin server could not start, for its port is taken' },
  storage: {
    code: 10,
    name: 'storage',
    meaning: 'Log or snapshot could not be written; nothing that was acknowledged is lost',
  },
  unmatchedCommit: {
    code: 12,
    name: 'unmatched commit',
    meaning: 'The leader committed another transaction than the one that was next',
  },
  quorumPacket: {
    code: 13,
    name: 'quorum packet',
    meaning: 'The leader sent what cannot be, or the log could not be cut back as it asked',
  },
  electionPort: { code: 14, name: 'election port', meaning: 'The election port could not be bound, even later' },
} as const satisfies Readonly<Record<string, ExitCodeRow>>;
