/** What an ensemble needs, and what it would come to regret: every message. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ConfigDirectory, THREE_SERVERS } from './support.ts';

let directory: ConfigDirectory;
beforeEach(() => {
  directory = new ConfigDirectory();
});
afterEach(() => directory.remove());

function servers(count: number, more = ''): string {
  return Array.from({ length: count }, (_, i) => `server.${i + 1}=h${i + 1}:2888:3888;2181`).join('\n') + more;
}

describe('faults', () => {
  test.each([
    [
      'no participant',
      'server.1=a:1:2:observer;2181',
      ['zoo.cfg:4: there are observers, but no participant: at least one server must vote'],
    ],
    [
      'one participant with observers',
      'server.1=a:1:2;2181\nserver.2=b:1:2:observer',
      [
        'zoo.cfg:5: there are observers, but only one participant, which makes a standalone server: name another ' +
          'participant, or set standaloneEnabled=false for an ensemble of one',
      ],
    ],
    [
      'two servers at one place',
      'server.1=h:2888:3888;2181\nserver.2=H:2888:3889\nserver.3=h:2889:2888',
      [
        'zoo.cfg:5: server.2: its quorum port h:2888 is the quorum port of server.1 as well',
        'zoo.cfg:6: server.3: its election port h:2888 is the quorum port of server.1 as well',
      ],
    ],
    [
      'clients at the place of elections',
      'server.1=h:2888:3888;3888\nserver.2=i:2888:3888;3888\nserver.3=[::1]:1:2',
      ['zoo.cfg:4: server.1: its client port h:3888 is its election port as well'],
    ],
    [
      'SASL without users',
      `quorum.auth.enableSasl=true\n${THREE_SERVERS}`,
      [
        'zoo.cfg:4: quorum.auth.enableSasl=true needs java.security.auth.login.config, the JAAS file with the sections ' +
          'QuorumServer and QuorumLearner',
      ],
    ],
    [
      'SASL by halves',
      `quorum.auth.serverRequireSasl=true\n${THREE_SERVERS}`,
      [
        'zoo.cfg:4: quorum.auth.serverRequireSasl=true needs quorum.auth.enableSasl=true',
        'zoo.cfg:4: quorum.auth.serverRequireSasl=true needs quorum.auth.learnerRequireSasl=true',
      ],
    ],
    [
      'TLS without a key',
      `sslQuorum=true\n${THREE_SERVERS}`,
      ["zoo.cfg:4: sslQuorum needs ssl.quorum.keyStore.location, the server's own key and certificate"],
    ],
    [
      'TLS for those who want it, without a key',
      `portUnification=true\n${THREE_SERVERS}`,
      ["zoo.cfg:4: portUnification needs ssl.quorum.keyStore.location, the server's own key and certificate"],
    ],
    [
      'pauses the wrong way round',
      `fastleader.minNotificationInterval=70000\n${THREE_SERVERS}`,
      ['zoo.cfg:4: fastleader.minNotificationInterval, 70000 ms, is larger than maxNotificationInterval, 60000 ms'],
    ],
    [
      'another election',
      `electionAlg=1\n${THREE_SERVERS}`,
      ['zoo.cfg:4: electionAlg=1: expected 3, for example electionAlg=3'],
    ],
  ])('%s', (_, lines, faults) => {
    expect(directory.memberFaultsOf(lines)).toEqual(faults);
  });

  test('no limits', () => {
    directory.write('myid', '1');
    expect(directory.faultsOf(THREE_SERVERS)).toEqual([
      'zoo.cfg: initLimit is not set; an ensemble needs it: the ticks that a server may take to connect to the leader ' +
        'and catch up, for example initLimit=10',
      'zoo.cfg: syncLimit is not set; an ensemble needs it: the ticks that a server may be silent, for example syncLimit=5',
    ]);
    expect(directory.faultsOf(`initLimit=x\nsyncLimit=0\n${THREE_SERVERS}`)).toEqual([
      'zoo.cfg:2: initLimit=x: expected an integer from 0 to 2147483647, for example initLimit=1',
      'zoo.cfg:3: syncLimit=0: the ticks that a server may be silent, at least 1; for example syncLimit=5',
    ]);
  });

  test('standaloneEnabled=false lets observers watch a single participant', () => {
    const lines = 'standaloneEnabled=false\nserver.1=a:1:2;2181\nserver.2=b:1:2:observer';
    expect(directory.loadMember(lines).ensemble.configuration.voters).toEqual([1]);
  });
});

describe('warnings', () => {
  test.each([
    [
      'two participants',
      servers(2),
      [
        'zoo.cfg:5: there are two participants: when one of them is down, the other stands still, which is less than one ' +
          'server alone offers. Three tolerate the loss of one',
      ],
    ],
    [
      'an even number of participants',
      servers(6),
      [
        'zoo.cfg:9: there are 6 participants: they tolerate the loss of 2, as 5 would, and every write waits for 4 of them ' +
          'instead of 3. Take an odd number, or make one an observer',
      ],
    ],
    ['an even number with an observer', servers(3, '\nserver.4=h4:1:2:observer'), []],
    ['groups, which have rules of their own', servers(4, '\ngroup.1=1:2\ngroup.2=3:4'), []],
    [
      'peerType and the line disagree',
      `peerType=observer\n${THREE_SERVERS}`,
      ['zoo.cfg:4: peerType=observer, but server.1 makes this server a participant, which counts'],
    ],
    ['peerType and the line agree', `peerType=PARTICIPANT\n${THREE_SERVERS}`, []],
    [
      'a small window',
      `commitLogCount=100\n${THREE_SERVERS}`,
      ['zoo.cfg:4: commitLogCount=100 is too few; 500 are kept'],
    ],
    [
      'an oracle',
      `oraclePath=/tmp/oracle\n${THREE_SERVERS}`,
      ['zoo.cfg:4: oraclePath has no effect: no failure detector is asked here, two servers need both to go on'],
    ],
  ])('%s', (_, lines, warnings) => {
    expect(directory.shown(directory.loadMember(lines).warnings)).toEqual(warnings);
  });
});

describe('values', () => {
  test("ZooKeeper's defaults", () => {
    expect(directory.loadMember(THREE_SERVERS).ensemble).toMatchObject({
      initLimitTicks: 10,
      syncLimitTicks: 5,
      connectLimitTicks: 0,
      leaderConnectDelayMs: 100,
      listensOnAllAddresses: false,
      electionConnectTimeoutMs: 5000,
      electionReadTimeoutMs: 5 * 3000,
      electionBindAttemptsMax: 3,
      notificationIntervalMinMs: 200,
      notificationIntervalMaxMs: 60_000,
      tcpKeepAlive: false,
      multiAddressEnabled: false,
      leaderServes: true,
      epochWaitMaxMs: -1,
      concurrentSnapSyncsMax: 10,
      concurrentDiffSyncsMax: 100,
      committedLogTxnsMax: 500,
      snapshotSizeFactor: 0.33,
      observerElectionDelayMs: 200,
      tlsEnabled: false,
      portUnification: false,
      saslEnabled: false,
      saslLearnerSection: 'QuorumLearner',
      saslServerSection: 'QuorumServer',
    });
  });

  test('those that are set', () => {
    const lines = `tickTime=1000
      connectToLearnerMasterLimit=3
      quorumListenOnAllIPs=true
      quorumCnxnTimeoutMs=700
      leaderServes=no
      commitLogCount=1000
      snapshotSizeFactor=-1
      observer.election.DelayMs=5
      multiAddress.enabled=true
      server.1=a:2888:3888|b:2888:3888;2181
      server.2=c:2888:3888
      server.3=d:2888:3888`;
    const { ensemble } = directory.loadMember(lines);
    expect(ensemble).toMatchObject({
      connectLimitTicks: 3,
      listensOnAllAddresses: true,
      electionReadTimeoutMs: 700,
      leaderServes: false,
      committedLogTxnsMax: 1000,
      snapshotSizeFactor: -1,
      observerElectionDelayMs: 5,
      multiAddressEnabled: true,
    });
    expect(ensemble.configuration.member(1)?.addresses).toHaveLength(2);
  });

  test('a difference larger than the snapshot is not worth it', () => {
    expect(directory.memberFaultsOf(`snapshotSizeFactor=2\n${THREE_SERVERS}`)).toEqual([
      'zoo.cfg:4: snapshotSizeFactor=2: expected a number from -1 to 1, for example snapshotSizeFactor=0.33',
    ]);
  });
});
