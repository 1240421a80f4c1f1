import { counterOf, epochOf, zxidHex } from '@treekeeper/protocol';
import { socketAddressText } from '../format.ts';
import type { JsonValue } from '../json.ts';
import { zabState } from '../metrics/ensemble-gauges.ts';
import { type EnsembleView, LeadershipError, type ServerView } from '../view.ts';
import { action, type Command, type CommandAnswer, type CommandContext, query, withoutServer } from './command.ts';

type JsonFields = { readonly [key: string]: JsonValue };
type Member = EnsembleView['configuration']['members'][number];

/** The commands about an ensemble; those that a standalone server answers, too, say so. */
export const ensembleCommands: readonly Command[] = [
  query('leader', ['lead'], leader),
  query('observers', ['obsr'], observers),
  action('observer_connection_stat_reset', ['orst'], () => {}),
  query('voting_view', [], votingView),
  {
    name: 'yield_leadership',
    aliases: ['ydld'],
    needsServer: true,
    method: 'POST',
    needsAuthorization: true,
    run: yieldLeadership,
  },
  withoutServer(query('zabstate', [], zabStateFields)),
];

function leader({ ensemble }: ServerView): JsonFields {
  if (ensemble === null) {
    return { error: 'server is not initialized' };
  }
  const { leaderId, serverId, configuration } = ensemble;
  const member = leaderId === null ? undefined : configuration.member(leaderId);
  return {
    is_leader: leaderId === serverId,
    leader_id: leaderId ?? -1,
    leader_ip: member?.addresses[0].host ?? '',
  };
}

/** `?server=2`: to this one; without it, to the follower that is best suited. */
async function yieldLeadership({ control, query }: CommandContext): Promise<CommandAnswer> {
  const text = query.get('server');
  if (text !== null && !/^\d{1,3}$/.test(text)) {
    return { status: 400, fields: { error: `server=${text}: the number of a server is needed` } };
  }
  try {
    return { fields: { leader_id: await control.yieldLeadership(text === null ? null : Number(text)) } };
  } catch (error) {
    if (!(error instanceof LeadershipError)) {
      throw error;
    }
    return { status: 409, fields: { error: error.message } };
  }
}

function observers({ ensemble }: ServerView): JsonFields {
  const connected = ensemble?.learners.filter(({ isObserver }) => isObserver) ?? [];
  return {
    synced_observers: connected.filter(({ isSynced }) => isSynced).length,
    observers: connected.map(({ serverId, remoteAddress }) => ({ sid: serverId, remote_address: remoteAddress })),
  };
}

function votingView({ ensemble }: ServerView): JsonFields {
  const voters = ensemble?.configuration.members.filter(({ role }) => role === 'participant') ?? [];
  return { current_config: Object.fromEntries(voters.map((member) => [`${member.id}`, memberFields(member)])) };
}

function memberFields({ addresses, client, role }: Member): JsonFields {
  return {
    server_addresses: addresses.map(({ host, quorumPort }) => socketAddressText(host, quorumPort)),
    election_addresses: addresses.map(({ host, electionPort }) => socketAddressText(host, electionPort)),
    client_address: client === null ? '' : socketAddressText(client.host, client.port),
    learner_type: role,
  };
}

function zabStateFields({ ensemble, lastZxid }: ServerView): JsonFields {
  if (ensemble === null) {
    return { voting: false, zabstate: '' };
  }
  const { serverId, leaderId, configuration } = ensemble;
  const own = configuration.member(serverId);
  const address = own?.addresses[0];
  return {
    myid: serverId,
    is_leader: leaderId === serverId,
    quorum_address: address === undefined ? '' : socketAddressText(address.host, address.quorumPort),
    election_address: address === undefined ? '' : socketAddressText(address.host, address.electionPort),
    client_address: own?.client ? socketAddressText(own.client.host, own.client.port) : '',
    voting: configuration.isVoter(serverId) && ensemble.damage === null,
    last_zxid: `0x${zxidHex(lastZxid)}`,
    zab_epoch: epochOf(lastZxid),
    zab_counter: counterOf(lastZxid),
    zabstate: zabState(ensemble).toUpperCase(),
    ...(ensemble.damage !== null && { damage: ensemble.damage }),
  };
}
