import assert from 'node:assert/strict';
import { answerOf, groupStatus, opsBetween, parseInfo } from '../../cluster-scripts/status.js';
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
        'used_memory:1000\r\n',
    );
    assert.deepEqual(answerOf(info), {
      role: 'leader',
      isServing: true,
      term: 3,
      leaderAddress: 'h:1',
      lastIndex: 9,
      commitIndex: 8,
      appliedIndex: 7,
      logBytes: 4096,
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
    assert.deepEqual(groupStatus(servers), { group: 1, leader: 3, term: 3, commitIndex: 40 });
  });

  it('names no leader that does not serve yet', () => {
    const servers = [leaderStatus({ server: 1, isServing: false }), serverStatus({ server: 2 })];
    assert.equal(groupStatus(servers).leader, null);
  });
});
