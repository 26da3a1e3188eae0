// Reads on a follower at the gate: which of them are taken after READONLY, and in which order.

import assert from 'node:assert/strict';
import { errorReply } from '../../resp/index.js';
import { removeDirectories } from '../sqlite-sm/machine-fixture.js';
import { type Client, Gate, ids } from './scripted-gate.js';

const slotOfA = 15495;
const moved = (slot: number) => `-MOVED ${slot} 127.0.0.1:7101`;
const movedA = moved(slotOfA);

describe('A follower at the gate', () => {
  let gate: Gate;
  let client: Client;

  beforeEach(() => {
    gate = new Gate();
    gate.harness.run('SET', 'a', '1');
    client = gate.connect();
    gate.follow();
  });
  afterEach(() => {
    gate.pause.end();
    gate.harness.machine.close();
    removeDirectories();
  });

  it('sends reads and writes to the leader, and after READONLY the writes alone', () => {
    assert.equal(client.send('GET a', 'SET a 2'), `${movedA} ${movedA}`);
    assert.equal(client.send('READONLY', 'GET a'), '+OK');
    gate.confirm();
    assert.equal(client.take(), '$1 1');
    assert.equal(client.send('SET a 2', 'DEL a', 'FLUSHALL'), `${movedA} ${movedA} ${moved(0)}`);
  });

  for (const [name, lines] of [
    ['READWRITE', ['READONLY', 'READWRITE']],
    ['RESET', ['READONLY', 'RESET']],
  ] as const) {
    it(`sends reads away again after ${name}`, () => {
      client.send(...lines);
      assert.equal(client.send('GET a'), movedA);
      assert.equal(gate.reads.length, 0);
    });
  }

  it('treats each connection by itself', () => {
    client.send('READONLY');
    assert.equal(gate.connect().send('GET a'), movedA);
  });

  it('answers every kind of read', () => {
    const lines = ['MGET a b{a}', 'STRLEN a', 'PTTL a', 'EXISTS a', 'TYPE a', 'OBJECT ENCODING a'];
    const whole = ['DBSIZE', 'SCAN 0', 'RANDOMKEY', 'MEMORY USAGE a'];
    client.send('READONLY');
    assert.equal(client.send(...lines, ...whole), '');
    assert.equal(gate.reads.length, lines.length + whole.length);
    gate.confirm();
    assert.match(
      client.take(),
      /^\*2 \$1 1 \$-1 :1 :-1 :1 \+string \$3 int :1 \*2 \$1 0 \*1 \$1 a \$1 a :\d+$/,
    );
  });

  it('refuses keys of several slots as the leader does', () => {
    client.send('READONLY');
    assert.match(client.send('MGET a b'), /^-CROSSSLOT /);
  });

  it('redirects at once while it cannot answer in time', () => {
    client.send('READONLY');
    gate.servesFollowerReads = false;
    assert.equal(client.send('GET a', 'WATCH a'), `${movedA} ${movedA}`);
  });

  it('waits for a leader when there is none', () => {
    client.send('READONLY');
    gate.lead(undefined);
    gate.servesFollowerReads = false;
    assert.equal(client.send('GET a'), '');
    assert.equal(client.connection.holdReason, 'election');
    gate.follow();
    client.connection.resume();
    gate.confirm();
    assert.equal(client.take(), '$1 1');
  });

  it('answers in the order of the commands', () => {
    assert.equal(client.send('READONLY', 'GET a', 'SET a 2', 'PING', 'GET b{a}'), '+OK');
    gate.confirm();
    assert.equal(client.take(), `$1 1 ${movedA} +PONG $-1`);
  });

  it('has a read wait for writes of a leadership that was lost', () => {
    gate.lead(ids[0]);
    client.send('READONLY', 'SET a 2');
    gate.follow();
    assert.equal(client.send('GET a'), '');
    assert.deepEqual([gate.reads.length, client.connection.holdReason], [0, 'order']);
    gate.commit();
    assert.equal(gate.reads.length, 1);
    gate.confirm();
    assert.equal(client.take(), '+OK $1 2');
  });

  it('that could not answer in time passes on what the leader is', () => {
    client.send('READONLY', 'GET a', 'GET a');
    client.take();
    gate.drop(errorReply('MOVED 15495 127.0.0.1:7101'));
    assert.equal(client.take(), `${movedA} ${movedA}`);
    assert.equal(client.connection.hasPendingRead, false);
  });

  describe('and MULTI', () => {
    beforeEach(() => {
      client.send('READONLY');
    });

    it('runs a transaction of reads from one state', () => {
      assert.equal(client.send('MULTI', 'GET a', 'KEYS *', 'EXEC'), '+OK +QUEUED +QUEUED');
      assert.deepEqual([gate.taken.length, gate.reads.length], [0, 1]);
      gate.harness.run('SET', 'a', '2');
      gate.confirm();
      assert.equal(client.take(), '*2 $1 2 *1 $1 a');
    });

    it('runs server commands in it in their place, and SELECT changes what follows', () => {
      const lines = ['MULTI', 'SELECT 3', 'GET a', 'PING', 'EXEC', 'GET a'];
      assert.equal(client.send(...lines), '+OK +QUEUED +QUEUED +QUEUED');
      gate.confirm();
      assert.equal(client.take(), '*3 +OK $-1 +PONG');
      gate.confirm();
      assert.equal(client.take(), '$-1');
    });

    it('refuses a write while queueing, and then all', () => {
      assert.equal(
        client.send('MULTI', 'GET a', 'SET a 2', 'EXEC'),
        `+OK +QUEUED ${movedA} -EXECABORT Transaction discarded because of previous errors.`,
      );
      assert.equal(gate.reads.length, 0);
    });

    it('sends a transaction with writes that were queued at the leader to the next one', () => {
      gate.lead(ids[0]);
      client.send('MULTI', 'SET a 2', 'GET a');
      gate.follow();
      client.take();
      assert.equal(client.send('EXEC'), movedA);
    });

    it('compares what is watched with the state that is read', () => {
      client.send('WATCH a');
      gate.confirm();
      client.send('MULTI', 'GET a', 'EXEC');
      gate.confirm();
      assert.match(client.take(), /\*1 \$1 1$/);

      client.send('WATCH a');
      gate.confirm();
      gate.harness.run('SET', 'a', '2');
      client.send('MULTI', 'GET a', 'EXEC');
      gate.confirm();
      assert.match(client.take(), /\*-1$/);
      assert.equal(client.connection.session.watched.count, 0);
    });

    it('has EXEC wait for the versions that WATCH reads', () => {
      assert.equal(client.send('WATCH a', 'MULTI', 'GET a', 'EXEC'), '');
      assert.equal(gate.reads.length, 1);
      gate.confirm();
      assert.equal(client.take(), '+OK +OK +QUEUED');
      gate.confirm();
      assert.equal(client.take(), '*1 $1 1');
    });
  });

  it('shows the state when what its client was told is there', () => {
    const { session } = client.connection;
    gate.appliedIndex = 7;
    session.lastWriteIndex = 8;
    for (const line of ['CLUSTER MYID', 'MULTI']) {
      const lines = line === 'MULTI' ? ['MULTI', 'CLUSTER MYID', 'EXEC'] : [line];
      assert.equal(client.send(...lines), line === 'MULTI' ? '+OK +QUEUED' : '');
      assert.equal(client.connection.holdReason, 'apply');
      gate.appliedIndex = 8;
      client.connection.resume();
      assert.match(client.take(), new RegExp(`${ids[0]}$`));
      gate.appliedIndex = 7;
    }
    // What has nothing to do with it does not wait.
    assert.equal(client.send('PING'), '+PONG');
  });
});
