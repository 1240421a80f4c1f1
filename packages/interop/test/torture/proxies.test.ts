/** The ports of an ensemble behind proxies. */
import { expect, test } from 'vitest';
import { ProxyNetwork } from '../../src/torture/proxies.ts';

/** So often that chance would hardly hide a port that is given away twice. */
const NETWORKS = 20;
const SERVERS = 7;

test('no proxy listens where a server is going to', async () => {
  const roles = Array.from({ length: SERVERS }, () => 'participant' as const);
  for (let i = 0; i < NETWORKS; i++) {
    const network = await ProxyNetwork.create(roles);
    const seats = roles.map((_, at) => network.seat(at + 1));
    const own = seats.flatMap(({ lines }, at) => portsIn(lines[`server.${at + 1}`]));
    const others = seats.flatMap(({ lines }, at) => {
      const ways = Object.entries(lines).filter(([key]) => key !== `server.${at + 1}`);
      return ways.flatMap(([, line]) => portsIn(line).slice(0, 2));
    });
    await network.close();
    expect(new Set([...own, ...others]).size).toBe(3 * SERVERS + 2 * SERVERS * (SERVERS - 1));
  }
});

/** Quorum, election, client. */
function portsIn(line: string): string[] {
  return [...line.matchAll(/:([0-9]+)/g)].map(([, port]) => port);
}
