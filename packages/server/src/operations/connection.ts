/** Reads about the connection and its session: ping, whoAmI, getEphemerals. */
import { EmptyRecord, GetEphemeralsRequest, GetEphemeralsResponse, OpCode, WhoAmIResponse } from '@treekeeper/protocol';
import { clientInfos } from '../auth/authentication.ts';
import type { ReadOperation } from './operation.ts';

export const ping: ReadOperation<object> = {
  kind: 'read',
  name: 'ping',
  opcode: OpCode.ping,
  request: EmptyRecord,
  answer: () => 0,
};

export const whoAmI: ReadOperation<object> = {
  kind: 'read',
  name: 'whoAmI',
  opcode: OpCode.whoAmI,
  request: EmptyRecord,
  answer(_world, { identities }, _request, reply) {
    WhoAmIResponse.encode(reply, { clientInfo: clientInfos(identities) });
    return 0;
  },
};

export const getEphemerals: ReadOperation<{ prefixPath: string | null }> = {
  kind: 'read',
  name: 'getEphemerals',
  opcode: OpCode.getEphemerals,
  request: GetEphemeralsRequest,
  answer({ tree }, { sessionId }, { prefixPath }, reply) {
    const all = tree.ephemeralsOf(sessionId);
    const everything = prefixPath === null || prefixPath.trim() === '' || javaTrim(prefixPath) === '/';
    // A plain string prefix, not whole components: /ab matches /abc too.
    GetEphemeralsResponse.encode(reply, {
      ephemerals: everything ? all : all.filter((path) => path.startsWith(prefixPath)),
    });
    return 0;
  },
};

/** As Java trims: everything up to the blank, control characters among it. */
function javaTrim(text: string): string {
  let start = 0;
  let end = text.length;
  while (start < end && text.charCodeAt(start) <= 0x20) {
    start++;
  }
  while (end > start && text.charCodeAt(end - 1) <= 0x20) {
    end--;
  }
  return text.slice(start, end);
}
