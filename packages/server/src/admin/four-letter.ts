/** Four-letter words: the questions asked in plain text on the client ports (client-protocol.md §11). */

import { operationText } from '../metrics/statistics.ts';
import { average, dateText, hex64, socketAddressText } from './format.ts';
import { znodeCount } from './metrics/gauges.ts';
import { monitorEntries } from './metrics/monitor.ts';
import { VERSION_TEXT } from './version.ts';
import type { ConnectionView, ServerControl, ServerView } from './view.ts';

export const NOT_SERVING = 'This ZooKeeper instance is not currently serving requests';

interface Word {
  /** Answers even while the tree is not served. */
  readonly always: boolean;
  readonly answer: (view: ServerView, control: ServerControl, argument: Uint8Array | null) => string | null;
}

/** Words are asked for by their names, so the table is a Map: no word finds a property of objects. */
const words: ReadonlyMap<string, Word> = new Map<string, Word>([
  ['ruok', { always: true, answer: () => 'imok' }],
  ['isro', { always: true, answer: isro }],
  ['envi', { always: true, answer: envi }],
  ['gtmk', { always: true, answer: (view) => `${view.traceMask}` }],
  ['stmk', { always: true, answer: stmk }],
  ['srvr', { always: false, answer: srvr }],
  ['stat', { always: false, answer: stat }],
  ['conf', { always: false, answer: conf }],
  ['cons', { always: false, answer: cons }],
  ['crst', { always: false, answer: crst }],
  ['srst', { always: false, answer: srst }],
  ['dump', { always: false, answer: dump }],
  ['wchs', { always: false, answer: wchs }],
  ['wchc', { always: false, answer: wchc }],
  ['wchp', { always: false, answer: wchp }],
  ['mntr', { always: false, answer: mntr }],
  ['dirs', { always: false, answer: dirs }],
  ['hash', { always: false, answer: hash }],
]);

const wordsByInt = new Map<number, string>([...words.keys()].map((word) => [intOf(word), word]));

function intOf(word: string): number {
  return [...word].reduce((int, character) => (int << 8) | character.charCodeAt(0), 0);
}

/**
 * The word whose four bytes are this big-endian int, or null. All of them are far above any frame limit as a length, so
 * that the first four bytes of a connection are one or the other.
 */
export function wordOf(firstFourBytesAsInt: number): string | null {
  return wordsByInt.get(firstFourBytesAsInt) ?? null;
}

/** How many bytes belong to the word after its name: the mask of `stmk`. */
export function argumentLength(word: string): number {
  return word === 'stmk' ? 8 : 0;
}

/** `4lw.commands.whitelist`: which words may be asked. `srvr` always may. */
export class WordWhitelist {
  readonly #allowed: ReadonlySet<string>;

  /** `setting` is null when the key is not set: then `isro` is open on servers that may become read-only. */
  constructor(setting: string | null, readOnlyModeEnabled: boolean) {
    const names =
      setting === null ? (readOnlyModeEnabled ? ['isro'] : []) : setting.split(',').map((name) => name.trim());
    this.#allowed = new Set(['srvr', ...(names.includes('*') ? words.keys() : names)]);
  }

  allows(word: string): boolean {
    return this.#allowed.has(word);
  }
}

/**
 * The whole answer to a known word, after which the server closes the connection. `argument` holds the bytes that belong
 * to the word, or is null when they did not come. Null: close without a byte.
 */
export function answerWord(
  word: string,
  argument: Uint8Array | null,
  whitelist: WordWhitelist,
  view: ServerView,
  control: ServerControl,
): string | null {
  if (!whitelist.allows(word)) {
    return `${word} is not executed because it is not in the whitelist.\n`;
  }
  const row = words.get(word);
  if (row === undefined) {
    return null;
  }
  if (!view.serving && !row.always) {
    return word === 'hash' ? NOT_SERVING : `${NOT_SERVING}\n`;
  }
  return row.answer(view, control, argument);
}

function isro(view: ServerView): string {
  return !view.serving ? 'null' : view.mode === 'read-only' ? 'ro' : 'rw';
}

function envi(view: ServerView): string {
  const lines = [...view.host.environment()].map(([key, value]) => `${key}=${value}\n`);
  return `Environment:\n${lines.join('')}`;
}

function stmk(_view: ServerView, control: ServerControl, argument: Uint8Array | null): string | null {
  if (argument === null || argument.length < 8) {
    return null;
  }
  const mask = new DataView(argument.buffer, argument.byteOffset, 8).getBigInt64(0);
  control.setTraceMask(mask);
  return `${mask}`;
}

function srvr(view: ServerView): string {
  return versionLines(view) + serverBlock(view);
}

function stat(view: ServerView): string {
  const clients = [...view.connections()].map((connection) => ` ${briefConnection(connection)})\n`);
  return `${versionLines(view)}Clients:\n${clients.join('')}\n${serverBlock(view)}`;
}

function versionLines(view: ServerView): string {
  const version = `Zookeeper version: ${VERSION_TEXT}\n`;
  return view.mode === 'read-only' ? `${version}READ-ONLY mode; serving only read-only clients\n` : version;
}

function serverBlock(view: ServerView): string {
  const { statistics } = view;
  const averageMs = average(statistics.totalLatencyMs, statistics.latencyCount);
  const [minMs, maxMs] = [Math.trunc(statistics.minLatencyMs), Math.trunc(statistics.maxLatencyMs)];
  return `Latency min/avg/max: ${minMs}/${averageMs}/${maxMs}
Received: ${statistics.packetsReceived}
Sent: ${statistics.packetsSent}
Connections: ${view.connectionCount}
Outstanding: ${view.outstandingRequests}
Zxid: ${hex64(view.lastZxid)}
Mode: ${view.mode}
Node count: ${znodeCount(view)}
${proposalLine(view)}`;
}

function proposalLine({ mode, ensemble }: ServerView): string {
  if (mode !== 'leader' || ensemble === null) {
    return '';
  }
  const { lastBytes, minBytes, maxBytes } = ensemble.proposals;
  return `Proposal sizes last/min/max: ${lastBytes}/${minBytes}/${maxBytes}\n`;
}

/** With a slash before, as Java prints a socket's address. */
function addressText(connection: ConnectionView): string {
  return `/${socketAddressText(connection.remoteAddress, connection.remotePort)}`;
}

function briefConnection(connection: ConnectionView): string {
  const { statistics } = connection;
  const interest = connection.interestOps.toString(16);
  const counts = `recved=${statistics.packetsReceived},sent=${statistics.packetsSent}`;
  return `${addressText(connection)}[${interest}](queued=${connection.outstandingRequests},${counts}`;
}

function cons(view: ServerView): string {
  return `${[...view.connections()].map((connection) => ` ${detailedConnection(connection)}\n`).join('')}\n`;
}

function detailedConnection(connection: ConnectionView): string {
  const brief = briefConnection(connection);
  if (connection.sessionId === 0n) {
    return `${brief})`;
  }
  const { statistics } = connection;
  const averageMs = statistics.latencyCount === 0 ? 0 : statistics.totalLatencyMs / statistics.latencyCount;
  const fields = [
    `sid=${hex64(connection.sessionId)}`,
    `lop=${operationText(statistics.lastOperation)}`,
    `est=${connection.establishedWallMs}`,
    `to=${connection.sessionTimeoutMs}`,
    ...(statistics.lastCxid < 0 ? [] : [`lcxid=${hex64(statistics.lastCxid)}`]),
    `lzxid=${hex64(statistics.lastZxid)}`,
    `lresp=${Math.trunc(statistics.lastResponseTimeMs)}`,
    `llat=${Math.trunc(statistics.lastLatencyMs)}`,
    `minlat=${Math.trunc(statistics.minLatencyMs)}`,
    `avglat=${Math.trunc(averageMs)}`,
    `maxlat=${Math.trunc(statistics.maxLatencyMs)}`,
  ];
  return `${brief},${fields.join(',')})`;
}

function conf(view: ServerView): string {
  const { config, host } = view;
  return `clientPort=${config.clientPort}
secureClientPort=${config.secureClientPort}
dataDir=${config.dataDir}
dataDirSize=${host.dataDirSizeBytes()}
dataLogDir=${config.dataLogDir}
dataLogSize=${host.dataLogDirSizeBytes()}
tickTime=${config.tickTimeMs}
maxClientCnxns=${config.maxClientCnxns}
minSessionTimeout=${config.minSessionTimeoutMs}
maxSessionTimeout=${config.maxSessionTimeoutMs}
clientPortListenBacklog=${config.clientPortListenBacklog}
serverId=${config.serverId}
${membershipLines(view)}`;
}

/** What a member adds, without a line end (client-protocol.md §11). */
function membershipLines({ ensemble }: ServerView): string {
  if (ensemble === null) {
    return '';
  }
  const { configuration, serverId, initLimitTicks, syncLimitTicks } = ensemble;
  const own = configuration.member(serverId);
  return `initLimit=${initLimitTicks}
syncLimit=${syncLimitTicks}
electionAlg=3
electionPort=${own?.addresses[0].electionPort ?? -1}
quorumPort=${own?.addresses[0].quorumPort ?? -1}
peerType=${own?.role === 'observer' ? 1 : 0}
membership:${' '}
${configuration.text}`;
}

function crst(_view: ServerView, control: ServerControl): string {
  control.resetConnectionStatistics();
  return 'Connection stats reset.\n';
}

function srst(_view: ServerView, control: ServerControl): string {
  control.resetStatistics();
  return 'Server stats reset.\n';
}

function dump(view: ServerView): string {
  const { wallMs, nowMs } = view.clock;
  const sessions: string[] = [];
  const connections: string[] = [];
  const connectionOf = new Map([...view.connections()].map((connection) => [connection.sessionId, connection]));
  let [sessionSets, sessionCount, connectionSets, connectionCount] = [0, 0, 0, 0];
  for (const bucket of view.sessionsByExpiry()) {
    const when = dateText(wallMs + bucket.deadlineMs - nowMs);
    sessionSets += 1;
    sessionCount += bucket.sessionIds.length;
    sessions.push(`${bucket.sessionIds.length} expire at ${when}:\n`);
    sessions.push(...bucket.sessionIds.map((id) => `\t${hex64(id)}\n`));
    const connected = bucket.sessionIds.map((id) => connectionOf.get(id)).filter((found) => found !== undefined);
    if (connected.length > 0) {
      connectionSets += 1;
      connectionCount += connected.length;
      connections.push(`${connected.length} expire at ${when}:\n`);
      connections.push(...connected.map((one) => `\tip: ${addressText(one)} sessionId: ${hex64(one.sessionId)}\n`));
    }
  }
  const ephemerals = [...view.ephemeralsBySession()];
  const owners = ephemerals.map(([id, paths]) => `${hex64(id)}:\n${paths.map((path) => `\t${path}\n`).join('')}`);
  const own = `Session Sets (${sessionSets})/(${sessionCount}):\n${sessions.join('')}`;
  return `SessionTracker dump:
${sessionsOf(view, own)}ephemeral nodes dump:
Sessions with Ephemerals (${ephemerals.length}):
${owners.join('')}Connections dump:
Connections Sets (${connectionSets})/(${connectionCount}):
${connections.join('')}`;
}

/** A learner knows of its own local sessions when they expire, and of all others what was agreed on. */
function sessionsOf(view: ServerView, own: string): string {
  const foreign = view.foreignSessions();
  if (foreign === null) {
    return own;
  }
  const local = view.localSessionCount > 0 ? `Local ${own}` : '';
  const lines = [...foreign]
    .sort(([one], [other]) => Number(BigInt.asIntN(64, one - other)))
    .map(([id, timeoutMs]) => `${hex64(id)}\t${timeoutMs}ms\n`);
  return `${local}Global Sessions(${lines.length}):\n${lines.join('')}`;
}

function wchs(view: ServerView): string {
  const { connections, paths, watches } = view.watchSummary();
  return `${connections} connections watching ${paths} paths\nTotal watches:${watches}\n`;
}

function wchc(view: ServerView): string {
  const sessions = [...view.watchesBySession()];
  return `${sessions.map(([id, paths]) => `${hex64(id)}\n${paths.map((path) => `\t${path}\n`).join('')}`).join('')}\n`;
}

function wchp(view: ServerView): string {
  const paths = [...view.watchesByPath()];
  return `${paths.map(([path, ids]) => `${path}\n${ids.map((id) => `\t${hex64(id)}\n`).join('')}`).join('')}\n`;
}

function mntr(view: ServerView): string {
  const lines: string[] = [];
  for (const [key, value] of monitorEntries(view)) {
    lines.push(`zk_${key}\t${value}\n`);
  }
  return lines.join('');
}

function dirs(view: ServerView): string {
  return `datadir_size: ${view.host.dataDirSizeBytes()}\nlogdir_size: ${view.host.dataLogDirSizeBytes()}\n`;
}

function hash(view: ServerView): string {
  return [...view.digests()].map(({ zxid, digest }) => `${zxid.toString(16)}: ${digest}\n`).join('');
}
