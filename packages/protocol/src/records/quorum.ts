/** Records between servers on the quorum port (quorum-protocol.md §5.1, §7). */
import { boolean, buffer, type Infer, int, long, nullable, record, vector } from '../jute/schema.ts';
import { Id } from './data.ts';

export const QuorumPacket = record('QuorumPacket', {
  type: int,
  zxid: long,
  data: nullable(buffer),
  authinfo: nullable(vector(Id)),
});
export type QuorumPacket = Infer<typeof QuorumPacket>;

/** Data of FOLLOWERINFO and OBSERVERINFO; 3.4 sends the first two fields only. */
export const LearnerInfo = record('LearnerInfo', { serverId: long, protocolVersion: int, configVersion: long });
export type LearnerInfo = Infer<typeof LearnerInfo>;
/** Data of LEADERINFO. */
export const LeaderInfo = record('LeaderInfo', { protocolVersion: int });
/** Data of ACKEPOCH: the learner's current epoch, or −1 when it had accepted this epoch already. */
export const AckEpoch = record('AckEpoch', { currentEpoch: int });
/** Data of REQUEST, before the client's own request body. */
export const ForwardedRequest = record('ForwardedRequest', { sessionId: long, cxid: int, type: int });
export type ForwardedRequest = Infer<typeof ForwardedRequest>;
/** Data of REVALIDATE on the way to the leader. */
export const RevalidateRequest = record('RevalidateRequest', { sessionId: long, timeoutMs: int });
export const RevalidateResponse = record('RevalidateResponse', { sessionId: long, valid: boolean });
/** One of the touches in the data of a PING answer. */
export const SessionTouch = record('SessionTouch', { sessionId: long, timeoutMs: int });
/** Data of COMMITANDACTIVATE. */
export const DesignatedLeader = record('DesignatedLeader', { serverId: long });
