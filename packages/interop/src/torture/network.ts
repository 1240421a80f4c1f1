/** What lies between the servers of an ensemble, and can be broken. */

/** Where a server listens for clients, and what it writes of the members into its configuration. */
export interface Seat {
  readonly host: string;
  readonly clientPort: number;
  /** `server.N=...` as this server is to see it. */
  readonly lines: Readonly<Record<string, string>>;
  /** Stands before the command that starts the server. */
  readonly prefix: readonly string[];
}

/** Who votes and who does not; server 1 is the first. */
export type Role = 'participant' | 'observer';

/** How slow a link is. */
export interface Slowness {
  readonly delayMs: number;
  readonly lossPercent: number;
}

/** Servers are numbered from 1. */
export interface Network {
  /** What it is made of and what it cannot do, for the report. */
  readonly description: string;
  seat(serverId: number): Seat;
  /** Nothing passes from the one to the other until `heal`; nobody is told. */
  cut(from: number, to: number): Promise<void>;
  /** What the server sends to others is late, or lost and sent again, until `heal`; as far as this network can. */
  slow(serverId: number, slowness: Slowness): Promise<void>;
  heal(): Promise<void>;
  close(): Promise<void>;
}
