/** cli_mt that knows all members of an ensemble, while its server and the leader die. */
import { OpCode } from '@treekeeper/protocol';
import { pathBody } from '../bodies.ts';
import { type Ensemble, type EnsembleMember, until } from '../ensemble.ts';
import { fourLetterWord } from '../raw-client.ts';
import type { Checks } from '../suite.ts';
import { CShell } from './c-shell.ts';

const LIFE_MS_MAX = 10 * 60_000;
/** Answers that say "the connection was lost, try again". */
const TRIES_MAX = 50;
/** Who dies, one after the other; they come back when the others have gone on. */
const VICTIMS = ['its server', 'the leader', 'its server', 'the leader'] as const;

/** It goes on in one session, with its ephemeral node, its watches and what it has written. */
export async function cShellWithFailOver(ensemble: Ensemble, checks: Checks): Promise<void> {
  const shell = new CShell(ensemble.members.map(({ port }) => `127.0.0.1:${port}`).join(','), LIFE_MS_MAX);
  try {
    const id = await begun(shell);
    await answered(shell, 'create +e /mine', /^\[\/mine\]: rc = (-?\d+)$/m);
    const written: string[] = [];
    for (const [i, victim] of VICTIMS.entries()) {
      const name = `cli_mt after the death of ${victim} (${i + 1})`;
      const path = `/watched-${i}`;
      await answered(shell, `create ${path}`, new RegExp(`^\\[${path}\\]: rc = (-?\\d+)$`, 'm'));
      await answered(shell, `get ${path}`, new RegExp(`^${path}: rc = (-?\\d+)$`, 'm')); // which also sets a watch
      const from = shell.text.length;
      await failOver(ensemble, victim === 'the leader' ? await ensemble.leader() : await serverOf(ensemble, id));
      checks.that(`${name}: connects again`, (await shell.seen(CONNECTED, from)) !== null, () => tail(shell));
      await goesOn(shell, name, i, written, checks);
      await changedByAnother(ensemble, path);
      const told = await shell.seen(new RegExp(`CHANGED_EVENT .* for path ${path}$`, 'm'), from);
      checks.that(`${name}: the watch that it had set before`, told !== null, () => tail(shell));
    }
    const owner = await answered(shell, 'get /mine', /ephemeralOwner = (\w+)/);
    checks.equal('cli_mt: the ephemeral node is still that of its session', owner, id);
    checks.equal('cli_mt: sessions that it had', shell.text.match(/Got a new session id/g)?.length, 1);
    await shell.quit();
    for (const member of ensemble.members) {
      await hasAll(member, written, checks);
    }
  } finally {
    shell.kill();
  }
}

const CONNECTED = /SESSION_EVENT state = CONNECTED_STATE/;

/** The id of its session, in hex. */
async function begun(shell: CShell): Promise<string> {
  const match = await shell.seen(/Got a new session id: 0x(\w+)/);
  if (match === null) {
    throw new Error(`cli_mt has no session:\n${tail(shell)}`);
  }
  return match[1];
}

/** Writes and reads as before, what it has written before among it. */
async function goesOn(shell: CShell, name: string, i: number, written: string[], checks: Checks): Promise<void> {
  const path = `/after-${i}`;
  const created = await answered(shell, `create ${path}`, new RegExp(`^\\[${path}\\]: rc = (-?\\d+)$`, 'm'));
  // Without an answer the first time, it may have been made.
  checks.that(`${name}: create`, created === '0' || created === '-110', () => `rc = ${created}\n${tail(shell)}`);
  const set = await answered(shell, `set ${path} value-${i}`, new RegExp(`^${path}: rc = (-?\\d+)`, 'm'));
  checks.equal(`${name}: set`, set, '0');
  written.push(path);
  for (const [k, earlier] of written.entries()) {
    const value = await answered(shell, `get ${earlier}`, new RegExp(`^${earlier}: rc = (?:0\\n.*\\n(.*)$|(-4))`, 'm'));
    checks.equal(`${name}: get ${earlier}`, value, `value-${k}`);
  }
}

/** Sends a command, again when the connection was lost meanwhile. Answers what `pattern` picks from its answer. */
async function answered(shell: CShell, command: string, pattern: RegExp): Promise<string | undefined> {
  for (let i = 0; i < TRIES_MAX; i++) {
    const from = shell.text.length;
    shell.send(command);
    const match = await shell.seen(pattern, from);
    if (match === null) {
      throw new Error(`cli_mt does not answer ${command}:\n${tail(shell)}`);
    }
    const [, first, second] = match;
    if ((first ?? second) !== CONNECTION_LOSS) {
      return first ?? second;
    }
    await shell.seen(CONNECTED, from);
  }
  throw new Error(`cli_mt does not get ${command} through:\n${tail(shell)}`);
}

const CONNECTION_LOSS = '-4';

/** Which member the session is connected to. */
function serverOf(ensemble: Ensemble, id: string): Promise<EnsembleMember> {
  return until('cli_mt is connected to a member', async () => {
    for (const member of ensemble.running) {
      const text = await fourLetterWord(member.port, 'cons').catch(() => '');
      if (text.includes(`sid=0x${id}`)) {
        return member;
      }
    }
    return null;
  });
}

async function failOver(ensemble: Ensemble, { server }: EnsembleMember): Promise<void> {
  await server.kill();
  await ensemble.untilServing();
  server.launch();
  await ensemble.untilServing();
}

async function changedByAnother(ensemble: Ensemble, path: string): Promise<void> {
  const session = await (await ensemble.leader()).open();
  await session.setData(path, Buffer.from('changed'));
  await session.close();
}

async function hasAll(member: EnsembleMember, paths: readonly string[], checks: Checks): Promise<void> {
  const session = await member.open();
  await session.call(OpCode.sync, pathBody('/'));
  for (const [i, path] of paths.entries()) {
    const { data } = await session.getData(path);
    checks.equal(`${member.name} has ${path}`, Buffer.from(data ?? []).toString(), `value-${i}`);
  }
  checks.equal(`${member.name}: /mine went with its session`, await session.exists('/mine'), null);
  await session.close();
}

function tail({ text }: CShell): string {
  return text.slice(-2000);
}
