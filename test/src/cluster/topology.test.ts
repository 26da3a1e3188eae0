import assert from 'node:assert/strict';
import { routeOfSlot } from '../../../src/cluster/route.js';
import { Topology } from '../../../src/cluster/topology.js';
import type { GroupMember } from '../../../src/identity.js';

function member(letter: string, clientPort = 7001): GroupMember {
  const serverNumber = letter.charCodeAt(0) - 'a'.charCodeAt(0) + 1;
  const replicaId = letter.repeat(40);
  return { replicaId, serverNumber, host: letter, clientPort, busPort: clientPort + 10_000 };
}

const [a, b, c, d] = ['a', 'b', 'c', 'd'].map((letter) => member(letter));

describe('Topology', () => {
  let topology: Topology;

  beforeEach(() => {
    topology = new Topology(1, [a!, b!, c!], b!.replicaId);
    topology.onLeadership(a!.replicaId, 3);
  });

  it('shows the leader as master and all others as its replicas, learners too', () => {
    topology.onMembership([a!, b!, c!], [d!]);
    assert.equal(topology.master, a);
    assert.deepEqual(topology.slaves, [b, c, d]);
    assert.deepEqual(topology.members, [a, b, c, d]);
    assert.deepEqual(topology.learners, [d]);
  });

  it('keeps the master of before while nobody leads', () => {
    topology.onLeadership(c!.replicaId, 4);
    topology.onLeadership(undefined, 5);
    assert.equal(topology.leader, undefined);
    assert.equal(topology.master, c);
    assert.equal(topology.epoch, 5);
  });

  it('shows another master when that of before was removed', () => {
    topology.onLeadership(undefined, 4);
    topology.onMembership([b!, c!], []);
    assert.equal(topology.master, b);
    assert.deepEqual(topology.slaves, [c]);
  });

  it('learns where a member that it knew of has gone', () => {
    const moved = member('a', 9001);
    topology.onMembership([moved, b!, c!], []);
    assert.equal(topology.leader, moved);
    const route = routeOfSlot(5, topology, false);
    assert.deepEqual(route, { kind: 'moved', slot: 5, to: moved });
  });

  it('knows a leader that is announced before its membership is', () => {
    topology.onLeadership(d!.replicaId, 4);
    assert.equal(topology.leader, undefined);
    topology.onMembership([a!, b!, c!, d!], []);
    assert.equal(topology.leader, d);
  });

  it('of a replica that is no member shows nobody and sends nobody anywhere', () => {
    topology.onMembership([a!, c!], []);
    assert.equal(topology.isMember, false);
    assert.equal(topology.self, b);
    assert.equal(topology.master, undefined);
    assert.deepEqual(topology.slaves, []);
    assert.deepEqual(routeOfSlot(5, topology, false), { kind: 'notMember' });
    topology.onMembership([a!, b!, c!], []);
    assert.equal(topology.isMember, true);
    assert.equal(topology.master, a);
  });

  it('lets a leader that is being removed finish', () => {
    topology.onMembership([a!, c!], []);
    assert.deepEqual(routeOfSlot(5, topology, true), { kind: 'here', slot: 5 });
  });
});
