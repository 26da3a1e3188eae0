import assert from 'node:assert/strict';
import {
  answerOf,
  groupStatus,
  knownMembers,
  opsBetween,
  parseInfo,
  snapshotNote,
  withMembership,
} from '../../cluster-scripts/status.js';
import { leaderStatus, serverStatus } from './server-status.js';

describe('cluster status', () => {
  it('reads the fields of INFO, whose values may hold colons', () => {
    const info = parseInfo('# Raft\r\nraft_role:leader\r\nraft_leader_address:[::1]:7001\r\n\r\n');
    assert.deepEqual(Object.fromEntries(info), {
      raft_role: 'leader',
      raft_leader_address: '[::1]:7001',
    });
  });

  it('takes what a server says of itself from its INFO', () => {
    const info = parseInfo(
      'raft_role:leader\r\nraft_serving:1\r\nraft_term:3\r\nraft_leader_address:h:1\r\n' +
        'raft_last_index:9\r\nraft_commit_index:8\r\nraft_applied_index:7\r\nraft_log_bytes:4096\r\n' +
        'raft_snapshot_index:5\r\n' +
        'used_memory:1000\r\n' +
        'raft_replica_id:abc\r\nraft_membership:learner\r\nraft_voters:3\r\n',
    );
    assert.deepEqual(answerOf(info), {
      role: 'leader',
      replicaId: 'abc',
      membership: 'learner',
      voters: 3,
      isServing: true,
      term: 3,
      leaderAddress: 'h:1',
      lastIndex: 9,
      commitIndex: 8,
      appliedIndex: 7,
      logBytes: 4096,
      snapshotIndex: 5,
      opsPerSecond: null,
      memoryBytes: 1000,
    });
  });

  it('has null for what INFO leaves out or leaves empty', () => {
    const answer = answerOf(parseInfo('raft_leader_address:\r\nraft_term:\r\n'));
    assert.equal(answer.leaderAddress, null);
    assert.equal(answer.term, null);
    assert.equal(answer.commitIndex, null);
    assert.equal(answer.isServing, false);
    assert.equal(answer.membership, null);
  });

  it('notes that a server receives or installs a snapshot', () => {
    const note = (line: string): string | null => snapshotNote(parseInfo(`raft_${line}\r\n`));
    const bytes = 'peer=ab,done=450,total=1000';
    assert.equal(
      note(`snapshot_transfer0:direction=receiving,${bytes}`),
      'receives a snapshot: 45 %',
    );
    assert.equal(note('installing:1'), 'installs a snapshot');
    // A leader that sends one is as it should be.
    assert.equal(note(`snapshot_transfer0:direction=sending,${bytes}`), null);
    assert.equal(note('installing:0'), null);
  });

  it('counts the commands of others between two looks, not its own question', () => {
    assert.equal(opsBetween({ commands: 10, atMs: 0 }, { commands: 11, atMs: 1000 }), 0);
    assert.equal(opsBetween({ commands: 10, atMs: 0 }, { commands: 511, atMs: 500 }), 1000);
  });

  it('shows no negative rate after CONFIG RESETSTAT', () => {
    assert.equal(opsBetween({ commands: 500, atMs: 0 }, { commands: 1, atMs: 1000 }), 0);
  });

  it('believes the leader of the highest term when two say that they serve', () => {
    const servers = [
      leaderStatus({ server: 1, term: 2, commitIndex: 50 }),
      serverStatus({ server: 2, term: 3 }),
      leaderStatus({ server: 3, term: 3, commitIndex: 40 }),
    ];
    assert.deepEqual(groupStatus(servers), {
      group: 1,
      leader: 3,
      term: 3,
      commitIndex: 40,
      voters: 3,
    });
  });

  it('takes who is a member from the leader, which knows better than one that was away', () => {
    const info = parseInfo(
      'raft_replica_id:aa\r\nraft_membership:voter\r\n' +
        'raft_peer0:id=bb,linked=1,match=7,state=replicate,role=voter\r\n' +
        'raft_peer1:id=cc,linked=1,match=3,state=probe,role=learner\r\n' +
        'raft_peer2:id=dd,linked=1,match=3,state=probe,role=removed\r\n',
    );
    const members = knownMembers(info);
    assert.deepEqual(
      [...members],
      [
        ['aa', 'voter'],
        ['bb', 'voter'],
        ['cc', 'learner'],
      ],
    );
    const believed = (replicaId: string | null) =>
      withMembership(serverStatus({ server: 4, replicaId }), members).membership;
    assert.deepEqual(['bb', 'cc', 'dd'].map(believed), ['voter', 'learner', 'none']);
    assert.equal(believed(null), 'voter');
    const own = serverStatus({ server: 4, replicaId: 'dd', membership: 'none' });
    assert.equal(withMembership(own, undefined).membership, 'none');
  });

  it('names no leader that does not serve yet', () => {
    const servers = [leaderStatus({ server: 1, isServing: false }), serverStatus({ server: 2 })];
    assert.equal(groupStatus(servers).leader, null);
  });
});
