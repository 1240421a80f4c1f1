/** Reads about the connection and its session: ping, whoAmI, getEphemerals. */
import {
  EmptyRecord,
  GetEphemeralsRequest,
  GetEphemeralsResponse,
  OpCode,
  WhoAmIResponse,
} from '@treekeeper/protocol';
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
    WhoAmIResponse.encode(reply, {
      clientInfo: identities.map(({ scheme, id }) => ({
        authScheme: scheme,
        // The part of a digest identity after the colon is a password hash.
        user: scheme === 'digest' ? id.split(':', 1)[0] : id,
      })),
    });
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
    const everything = prefixPath === null || prefixPath.trim() === '' || prefixPath === '/';
    // A plain string prefix, not whole components: /ab matches /abc too.
    GetEphemeralsResponse.encode(reply, {
      ephemerals: everything ? all : all.filter((path) => path.startsWith(prefixPath)),
    });
    return 0;
  },
};
