/** The counters that are touched per packet and per request: plain fields, written in place, read when someone asks. */
import { OpCode } from '@treekeeper/protocol';

/**
 * Of the whole server. `srvr`, `stat`, `mntr` and the HTTP commands show them. A four-letter word counts as one packet
 * received before its answer is made, and as one sent after.
 */
export class Statistics {
  packetsReceived = 0;
  packetsSent = 0;
  /** Milliseconds from taking a request in to answering it; pings count too. 0 while there is no sample. */
  minLatencyMs = 0;
  maxLatencyMs = 0;
  totalLatencyMs = 0;
  latencyCount = 0;
  /** Sizes of reply bodies; -1 before the first. */
  lastResponseBytes = -1;
  minResponseBytes = -1;
  maxResponseBytes = -1;
  fsyncThresholdExceedCount = 0;
  authFailedCount = 0;
  nonMtlsRemoteConnCount = 0;
  nonMtlsLocalConnCount = 0;

  recordLatency(latencyMs: number): void {
    if (this.latencyCount === 0 || latencyMs < this.minLatencyMs) {
      this.minLatencyMs = latencyMs;
    }
    if (latencyMs > this.maxLatencyMs) {
      this.maxLatencyMs = latencyMs;
    }
    this.totalLatencyMs += latencyMs;
    this.latencyCount += 1;
  }

  recordResponse(sizeBytes: number): void {
    this.lastResponseBytes = sizeBytes;
    if (this.minResponseBytes === -1 || sizeBytes < this.minResponseBytes) {
      this.minResponseBytes = sizeBytes;
    }
    if (sizeBytes > this.maxResponseBytes) {
      this.maxResponseBytes = sizeBytes;
    }
  }

  /** Packets, latency and reply sizes start over; the counts of refusals and of slow syncs stay, as in ZooKeeper. */
  reset(): void {
    this.packetsReceived = 0;
    this.packetsSent = 0;
    this.minLatencyMs = 0;
    this.maxLatencyMs = 0;
    this.totalLatencyMs = 0;
    this.latencyCount = 0;
    this.lastResponseBytes = -1;
    this.minResponseBytes = -1;
    this.maxResponseBytes = -1;
  }
}

/** Of one connection: `cons` shows them. */
export class ConnectionStatistics {
  packetsReceived = 0;
  packetsSent = 0;
  /** Opcode of the last answered request; OpCode.notification (0) before the first. */
  lastOperation: number = OpCode.notification;
  lastCxid = -1;
  lastZxid = -1;
  /** On the monotonic clock; 0 before the first answer. */
  lastResponseTimeMs = 0;
  lastLatencyMs = 0;
  minLatencyMs = 0;
  maxLatencyMs = 0;
  totalLatencyMs = 0;
  latencyCount = 0;

  /** Notes an answer. `cxid` is the request's xid, `zxid` that of the reply header. */
  recordAnswer(operation: number, cxid: number, zxid: number, latencyMs: number, nowMs: number): void {
    this.lastOperation = operation;
    // A negative xid names a kind of packet, not a request (client-protocol.md §3.1).
    if (cxid >= 0) {
      this.lastCxid = cxid;
    }
    this.lastZxid = zxid;
    this.lastResponseTimeMs = nowMs;
    this.lastLatencyMs = latencyMs;
    if (this.latencyCount === 0 || latencyMs < this.minLatencyMs) {
      this.minLatencyMs = latencyMs;
    }
    if (latencyMs > this.maxLatencyMs) {
      this.maxLatencyMs = latencyMs;
    }
    this.totalLatencyMs += latencyMs;
    this.latencyCount += 1;
  }

  reset(): void {
    Object.assign(this, new ConnectionStatistics());
  }
}

const operationTexts = new Map<number, string>([
  [OpCode.createSession, 'SESS'],
  [OpCode.ping, 'PING'],
  [OpCode.create, 'CREA'],
  [OpCode.create2, 'CREA'],
  [OpCode.createTTL, 'CREA'],
  [OpCode.createContainer, 'CREA'],
  [OpCode.delete, 'DELE'],
  [OpCode.deleteContainer, 'DELE'],
  [OpCode.setData, 'SETD'],
  [OpCode.setACL, 'SETA'],
  [OpCode.getData, 'GETD'],
  [OpCode.exists, 'EXIS'],
  [OpCode.getChildren, 'GETC'],
  [OpCode.getChildren2, 'GETC'],
  [OpCode.getACL, 'GETA'],
  [OpCode.getAllChildrenNumber, 'GETACN'],
  [OpCode.sync, 'SYNC'],
  [OpCode.multi, 'MULT'],
  [OpCode.multiRead, 'MLTR'],
  [OpCode.setWatches, 'SETW'],
  [OpCode.setWatches2, 'STW2'],
  [OpCode.addWatch, 'ADDW'],
  [OpCode.checkWatches, 'CHKW'],
  [OpCode.removeWatches, 'REMW'],
  [OpCode.getEphemerals, 'GETE'],
  [OpCode.whoAmI, 'HOMI'],
  [OpCode.reconfig, 'RECO'],
  [OpCode.closeSession, 'CLOS'],
  [OpCode.check, 'CHEC'],
]);

/** The short name that `cons` prints for an operation; `NA` for none. */
export function operationText(operation: number): string {
  return operationTexts.get(operation) ?? 'NA';
}
