import assert from 'node:assert/strict';
import { groupMemberOf, initialMembership, memberOf } from '../../../src/cluster/members.js';
import { newIdentities, newJoiningIdentity, ownMember } from '../../../src/identity.js';

const group = 1;

describe('Members', () => {
  it('keep what belongs to them through the log', () => {
    const [identity] = newIdentities([
      { host: '10.0.0.1', basePort: 7000, announced: { host: 'one.example', basePort: 31_000 } },
      { host: '10.0.0.2', basePort: 7000 },
    ]);
    for (const member of identity!.groups[0]!.members) {
      const carried = JSON.parse(JSON.stringify(memberOf(member)));
      assert.deepEqual(groupMemberOf(carried), member);
    }
  });

  it('are for Raft an id, the address of a bus, and the rest unseen', () => {
    const [identity] = newIdentities([{ host: '10.0.0.1', basePort: 7000 }]);
    const own = ownMember(identity!, group);
    assert.deepEqual(memberOf(own), {
      replicaId: own.replicaId,
      host: '10.0.0.1',
      port: 17_001,
      attributes: { serverNumber: 1, clientPort: 7001 },
    });
  });

  it('of a new cluster are the voters to begin with', () => {
    const [identity] = newIdentities([
      { host: 'a', basePort: 7000 },
      { host: 'b', basePort: 7000 },
    ]);
    const { index, voters, learners } = initialMembership(identity!, group);
    assert.equal(index, 0);
    assert.deepEqual(voters.map(groupMemberOf), identity!.groups[0]!.members);
    assert.deepEqual(learners, []);
  });

  it('are none to begin with where a server joins, which knows itself all the same', () => {
    const identity = newJoiningIdentity({
      clusterId: 'c'.repeat(32),
      group,
      serverNumber: 4,
      address: { host: 'd', basePort: 7300 },
    });
    assert.deepEqual(initialMembership(identity, group), { index: 0, voters: [], learners: [] });
    const own = ownMember(identity, group);
    assert.equal(own.replicaId, identity.replicas[0]!.replicaId);
    assert.deepEqual([own.serverNumber, own.clientPort, own.busPort], [4, 7301, 17_301]);
  });
});
