/** Leadership that is given away, by command and at the leader's end: no election, no session lost, no write lost. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { create, exists, sync } from '../replica/requests.ts';
import type { Client } from './support/client.ts';
import { EnsembleProcesses, freePorts, type MemberProcess, until } from './support/ensemble.ts';

const EPHEMERAL = 1;
const SUPER_DIGEST = 'super:D/InIHSb7yEEbrWz8b9l71RjZJU=';
const SUPERUSER = { Authorization: 'digest super:test' };

let ensemble: EnsembleProcesses;
let adminPorts: number[] = [];

beforeAll(async () => {
  adminPorts = await freePorts(3);
  ensemble = await EnsembleProcesses.start(
    3,
    { 'admin.enableServer': 'true', 'DigestAuthenticationProvider.superDigest': SUPER_DIGEST },
    (id) => ({ 'admin.serverPort': adminPorts[id - 1], 'admin.serverAddress': '127.0.0.1' }),
  );
}, 60_000);
afterAll(() => ensemble.stop());

interface Answer {
  readonly status: number;
  readonly error: string | null;
  readonly leader_id?: number;
}

async function command(member: MemberProcess, what: string, headers: Record<string, string>): Promise<Answer> {
  const url = `http://127.0.0.1:${adminPorts[member.id - 1]}/commands/${what}`;
  const response = await fetch(url, { method: 'POST', headers });
  return { ...((await response.json()) as Omit<Answer, 'status'>), status: response.status };
}

function yieldLeadership(member: MemberProcess, query = '', headers = SUPERUSER as Record<string, string>) {
  return command(member, `yield_leadership${query}`, headers);
}

/** Writes through this member, again and again where the connection is lost; all in one session. */
class Writer {
  readonly acknowledged: string[] = [];
  readonly #member: MemberProcess;
  readonly #name: string;
  #client: Client | null = null;
  #isEnding = false;
  #running: Promise<void> = Promise.resolve();

  constructor(member: MemberProcess, name: string) {
    this.#member = member;
    this.#name = name;
  }

  async start(): Promise<Client> {
    const owner = await this.#member.client();
    expect((await owner.call(create(`/owned ${this.#name}`, { flags: EPHEMERAL }))).err).toBe(0);
    this.#client = owner;
    this.#running = this.#run(owner);
    return owner;
  }

  async #run(owner: Client): Promise<void> {
    let client = owner;
    for (let i = 0; !this.#isEnding; i++) {
      const path = `/${this.#name}-${i}`;
      try {
        expect((await client.call(create(path))).err).toBe(0);
        this.acknowledged.push(path);
      } catch (error) {
        if (!(error instanceof Error) || error.message !== 'the connection was closed') {
          throw error;
        }
        client = await this.#member.client(owner);
        expect(client.sessionId, 'the session goes on').toBe(owner.sessionId);
        this.#client = client;
      }
    }
  }

  async untilMore(): Promise<void> {
    const before = this.acknowledged.length;
    await until('more is written', async () => (this.acknowledged.length > before + 20 ? true : null));
  }

  /** Everything acknowledged is there, and so is what the session owns. */
  async end(): Promise<void> {
    this.#isEnding = true;
    await this.#running;
    const client = this.#client as Client;
    await client.call(sync('/'));
    for (const path of [...this.acknowledged, `/owned ${this.#name}`]) {
      expect((await client.call(exists(path))).err, path).toBe(0);
    }
    await client.end();
  }
}

/** How often a server has looked for a leader since it was started. */
function elections({ output }: MemberProcess): number {
  return output.split(' looking for a leader, round').length - 1;
}

/** Where followers are too slow to answer at once, leadership goes to an election: then it is tried again. */
test('by command: to the server that is named, while others write', async () => {
  for (let isDone = false, tries = 1; !isDone; tries++) {
    const leader = await ensemble.leader();
    const [heir, other] = ensemble.members.filter((member) => member !== leader);
    const before = ensemble.members.map(elections);
    const writer = new Writer(other, `by command, try ${tries}`);
    await writer.start();
    await writer.untilMore();
    const answer = await yieldLeadership(leader, `?server=${heir.id}`);
    await writer.untilMore();
    isDone = answer.error === null;
    if (isDone) {
      expect(answer.leader_id).toBe(heir.id);
      expect((await ensemble.leader()).id).toBe(heir.id);
      expect(ensemble.members.map(elections), 'nobody was elected').toEqual(before);
    } else {
      expect(answer.error).toContain('no follower kept up');
      await ensemble.untilServing();
    }
    await writer.end();
  }
});

test('by command: what is refused, and by whom', async () => {
  const leader = await ensemble.leader();
  const [follower] = ensemble.members.filter((member) => member !== leader);
  expect(await yieldLeadership(follower)).toMatchObject({ status: 409, error: 'this server does not lead' });
  const own = await yieldLeadership(leader, `?server=${leader.id}`);
  expect(own).toMatchObject({ status: 409, error: 'this server leads already' });
  const unknown = await yieldLeadership(leader, '?server=9');
  expect(unknown.error).toBe('server 9 is not a voter that is in step with this leader');
  expect(await yieldLeadership(leader, '', {})).toMatchObject({ status: 401 });
  expect((await ensemble.leader()).id).toBe(leader.id);
});

test('a session is closed by command, at another server than its client is connected to', async () => {
  const leader = await ensemble.leader();
  const [home, asked] = ensemble.members.filter((member) => member !== leader);
  const client = await home.client();
  expect((await client.call(create('/of a session', { flags: EPHEMERAL }))).err).toBe(0);
  const observer = await asked.client();
  await observer.call(sync('/'));
  const closing = `close_session?id=0x${client.sessionId.toString(16)}`;
  expect(await command(asked, closing, {})).toMatchObject({ status: 401 });
  expect(await command(asked, 'close_session?id=0x1', SUPERUSER)).toMatchObject({
    status: 404,
    error: 'there is no session 0x1',
  });
  expect((await observer.call(exists('/of a session'))).err).toBe(0);
  expect(await command(asked, closing, SUPERUSER)).toMatchObject({ status: 200, error: null });
  expect((await observer.call(exists('/of a session'))).err).toBe(-101);
  await client.closed;
  await observer.end();
});

test('by SIGTERM, one server after the other: a rolling restart without an election', async () => {
  for (const member of ensemble.members) {
    const rest = ensemble.members.filter((other) => other !== member);
    const wasLeader = (await ensemble.leader()) === member;
    const before = rest.map(elections);
    const writer = new Writer(rest[0], `while ${member.id} is away`);
    await writer.start();
    await writer.untilMore();
    await member.stop('SIGTERM');
    await writer.untilMore();
    expect(rest.map(elections), `${member.id} ${wasLeader ? 'led' : 'followed'}`).toEqual(before);
    await member.start();
    await ensemble.untilServing();
    await writer.end();
  }
});
