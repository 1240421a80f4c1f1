import { hex64 } from '../format.ts';
import { SessionError, UnknownSessionError } from '../view.ts';
import type { Command, CommandAnswer, CommandContext } from './command.ts';

/** What ZooKeeper offers over JMX only (ConnectionBean.terminateSession). */
export const sessionCommands: readonly Command[] = [
  {
    name: 'close_session',
    aliases: [],
    needsServer: true,
    method: 'POST',
    needsAuthorization: true,
    run: closeSession,
  },
];

/** `?id=0x100001b5d920061`, as `cons` and `dump` show it; or the number that HTTP commands show. */
async function closeSession({ control, query }: CommandContext): Promise<CommandAnswer> {
  const text = query.get('id') ?? '';
  const id = sessionIdIn(text);
  if (id === null) {
    const error = `id=${text}: the id of a session is needed, as cons and dump show it: id=0x100001b5d920061`;
    return { status: 400, fields: { error } };
  }
  try {
    await control.closeSession(id);
    return { fields: { session: hex64(id) } };
  } catch (error) {
    if (error instanceof UnknownSessionError) {
      return { status: 404, fields: { error: error.message } };
    }
    if (error instanceof SessionError) {
      return { status: 409, fields: { error: error.message } };
    }
    throw error;
  }
}

/** Ids are signed: the one in `text`, null if it is none. */
function sessionIdIn(text: string): bigint | null {
  if (/^0x[0-9a-f]{1,16}$/i.test(text)) {
    return BigInt.asIntN(64, BigInt(text));
  }
  if (!/^-?\d{1,19}$/.test(text)) {
    return null;
  }
  const id = BigInt(text);
  return BigInt.asIntN(64, id) === id ? id : null;
}
