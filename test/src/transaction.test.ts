// Transactions at the gate: in which order they are taken, answered and refused.

import assert from 'node:assert/strict';
import { errorReply } from '../../resp/index.js';
import { clusterDownReply, uncertainReply } from '../../src/client/error-replies.js';
import { limits } from '../../src/options.js';
import { encodeRequest } from '../interop/resp-connection.js';
import { removeDirectories } from '../sqlite-sm/machine-fixture.js';
import { type Client, Gate, ids } from './scripted-gate.js';

const moved = (slot: number) => `-MOVED ${slot} 127.0.0.1:7101`;
const slotOfA = 15495;
const crossSlot = "-CROSSSLOT Keys in request don't hash to the same slot";

describe('A transaction at the gate', () => {
  let gate: Gate;
  let client: Client;

  beforeEach(() => {
    gate = new Gate();
    client = gate.connect();
  });
  afterEach(() => {
    gate.pause.end();
    gate.harness.machine.close();
    removeDirectories();
  });

  it('is one record, answered when it is applied', () => {
    const lines = ['MULTI', 'SET a 1', 'GET a', 'INCR a', 'EXEC'];
    assert.equal(client.send(...lines), '+OK +QUEUED +QUEUED +QUEUED');
    assert.equal(gate.taken.length, 1);
    gate.commit();
    assert.equal(client.take(), '*3 +OK $1 1 :2');
  });

  it('takes what follows it at once, unless a server command in it decides what that means', () => {
    client.send('MULTI', 'SET a 1', 'EXEC', 'SET a 2', 'MULTI', 'GET a', 'EXEC');
    assert.equal(gate.taken.length, 3);
    gate.commit();
    assert.equal(client.take(), '*1 +OK +OK +OK +QUEUED *1 $1 2');

    client.send('MULTI', 'SELECT 3', 'SET a 3', 'EXEC', 'SET b 3', 'ECHO last');
    assert.equal(gate.taken.length, 1);
    gate.commit();
    assert.equal(client.take(), '*2 +OK +OK');
    gate.commit();
    assert.equal(client.take(), '+OK $4 last');
    assert.equal(gate.harness.machine.keyCount(3), 2);
  });

  it('leaves the database selected as it was when it does not take place', () => {
    client.send('WATCH a', 'MULTI', 'SELECT 3', 'SET a 3', 'EXEC', 'SET b x');
    gate.harness.run('SET', 'a', '1');
    gate.confirm();
    gate.harness.run('SET', 'a', '2');
    gate.commit();
    assert.match(client.take(), / \*-1$/);
    gate.commit();
    assert.equal(gate.harness.machine.keyCount(3), 0);
    assert.equal(gate.harness.machine.keyCount(0), 2);
  });

  it('of server commands alone runs here, behind what is under way', () => {
    client.send('SET a 1', 'MULTI', 'PING', 'ECHO x', 'EXEC', 'PING');
    gate.commit();
    assert.equal(client.take(), '+OK +OK +QUEUED +QUEUED *2 +PONG $1 x +PONG');
    assert.equal(gate.taken.length, 0);
    assert.equal(client.send('MULTI', 'EXEC'), '+OK *0');
  });

  it('shows the sessions what it holds', () => {
    const { session } = client.connection;
    assert.equal(session.transaction?.count, undefined);
    client.send('MULTI', 'SET a 1', 'PING');
    assert.equal(session.transaction?.count, 2);
    client.send('RESET');
    assert.equal(session.transaction, undefined);
  });

  describe('WATCH', () => {
    it('waits for the writes before it, and EXEC for its answer', () => {
      client.send('SET a 1', 'WATCH a', 'MULTI', 'INCR a', 'EXEC');
      assert.deepEqual([gate.taken.length, gate.reads.length], [1, 0]);
      gate.commit();
      assert.deepEqual([gate.taken.length, gate.reads.length], [0, 1]);
      gate.confirm();
      assert.equal(client.take(), '+OK +OK +OK +QUEUED');
      gate.commit();
      assert.equal(client.take(), '*1 :2');
    });

    it('sees another client that comes between', () => {
      client.send('WATCH a');
      gate.confirm();
      client.send('MULTI', 'SET a mine', 'EXEC');
      gate.harness.run('SET', 'a', 'theirs');
      gate.commit();
      assert.equal(client.take().split(' ').at(-1), '*-1');
      assert.equal(gate.harness.run('GET', 'a'), 'theirs');
      assert.equal(client.connection.session.watched.count, 0);
    });

    for (const forget of ['UNWATCH', 'DISCARD', 'RESET']) {
      it(`is forgotten by ${forget}, even when its answer comes later`, () => {
        const lines = forget === 'DISCARD' ? ['WATCH a', 'MULTI', 'DISCARD'] : ['WATCH a', forget];
        client.send(...lines);
        gate.confirm();
        gate.confirm();
        gate.harness.run('SET', 'a', '1');
        client.send('MULTI', 'INCR a', 'EXEC');
        gate.commit();
        assert.match(client.take(), /\*1 :2$/);
      });
    }

    it('keeps the version first seen', () => {
      client.send('WATCH a');
      gate.confirm();
      gate.harness.run('SET', 'a', '1');
      client.send('WATCH a b{a}');
      gate.confirm();
      client.send('MULTI', 'EXEC');
      gate.commit();
      assert.equal(client.take().split(' ').at(-1), '*-1');
    });

    it('that was refused watches nothing', () => {
      client.send('WATCH a');
      gate.drop(errorReply('MOVED 1 127.0.0.1:7101'));
      assert.equal(client.connection.session.watched.count, 0);
      assert.equal(client.connection.session.watched.byteLength, 0);
      gate.harness.run('SET', 'a', '1');
      client.take();
      client.send('MULTI', 'INCR a', 'EXEC');
      gate.commit();
      assert.equal(client.take(), '*1 :2');
    });

    it('keeps its arguments for the slow log', () => {
      client.send('WATCH a b{a}');
      assert.deepEqual(gate.reads[0]!.args.map(String), ['WATCH', 'a', 'b{a}']);
    });

    it('is limited in keys', () => {
      const names = Array.from({ length: limits.watchedKeysMax }, (_, at) => `{a}${at}`);
      client.send(`WATCH ${names.join(' ')}`);
      gate.confirm();
      assert.equal(client.take(), '+OK');
      assert.match(client.send('WATCH {a}more'), /^-ERR more keys are watched than the limit/);
    });
  });

  describe('in one slot', () => {
    it('refuses keys of several, queued or watched', () => {
      assert.equal(
        client.send('MULTI', 'SET a 1', 'SET b 1', 'EXEC', 'EXEC').split(' -')[1],
        crossSlot.slice(1),
      );
      client.send('WATCH a');
      gate.confirm();
      client.take();
      assert.equal(client.send('WATCH b'), crossSlot);
      assert.equal(client.send('MULTI', 'SET b 1', 'EXEC'), `+OK +QUEUED ${crossSlot}`);
      assert.equal(client.connection.session.watched.count, 0);
      assert.equal(client.send('EXEC'), '-ERR EXEC without MULTI');
      assert.equal(gate.taken.length, 0);
    });

    it('refuses a command that is of several by itself, and then all', () => {
      assert.equal(
        client.send('MULTI', 'MSET a 1 b 1', 'SET a 1', 'EXEC'),
        `+OK ${crossSlot} +QUEUED -EXECABORT Transaction discarded because of previous errors.`,
      );
    });
  });

  describe('and the leadership', () => {
    it('is refused where another leads, while queueing and at EXEC', () => {
      client.send('MULTI', 'SET a 1');
      client.take();
      gate.lead(ids[1]);
      assert.equal(client.send('EXEC', 'EXEC'), `${moved(slotOfA)} -ERR EXEC without MULTI`);
      assert.equal(
        client.send('MULTI', 'SET a 1', 'EXEC'),
        `+OK ${moved(slotOfA)} -EXECABORT Transaction discarded because of previous errors.`,
      );
      assert.equal(client.send('WATCH a'), moved(slotOfA));
    });

    it('is sent to the leader for its watched keys alone', () => {
      client.send('WATCH a');
      gate.confirm();
      client.take();
      gate.lead(ids[1]);
      assert.equal(client.send('MULTI', 'EXEC'), `+OK ${moved(slotOfA)}`);
      assert.equal(client.send('MULTI', 'PING', 'EXEC'), '+OK +QUEUED *1 +PONG');
    });

    it('queues without a leader, and waits for one at EXEC', () => {
      gate.lead(undefined);
      assert.equal(client.send('MULTI', 'SET a 1', 'EXEC'), '+OK +QUEUED');
      assert.equal(client.connection.holdReason, 'election');
      gate.lead(ids[0]);
      client.connection.resume();
      gate.commit();
      assert.equal(client.take(), '*1 +OK');
    });

    it('is over when it has waited in vain', () => {
      gate.lead(undefined);
      client.send('MULTI', 'SET a 1', 'EXEC', 'EXEC');
      client.take();
      client.connection.rejectHeld(clusterDownReply);
      assert.equal(client.take(), '-CLUSTERDOWN The cluster is down -ERR EXEC without MULTI');
    });

    it('is uncertain as a whole, with what its server commands would have done left undone', () => {
      client.send('MULTI', 'SELECT 3', 'SET a 1', 'PING', 'EXEC');
      client.take();
      gate.drop(uncertainReply);
      assert.match(client.take(), /^-UNCERTAIN /);
      assert.equal(client.connection.session.database, 0);
      assert.equal(client.send('PING'), '+PONG');
    });

    it('compares versions that were seen before it was lost and won again', () => {
      gate.harness.run('SET', 'a', '1');
      client.send('WATCH a');
      gate.confirm();
      gate.lead(ids[1]);
      gate.lead(ids[0]);
      client.send('MULTI', 'INCR a', 'EXEC', 'WATCH a', 'MULTI', 'INCR a');
      gate.commit();
      gate.confirm();
      client.take();
      gate.lead(ids[1]);
      gate.harness.run('SET', 'a', '7');
      gate.lead(ids[0]);
      client.send('EXEC');
      gate.commit();
      assert.equal(client.take(), '*-1');
    });
  });

  it('waits when too much is under way', () => {
    gate.pendingBytes = limits.pendingBytesMax + 1;
    assert.equal(client.send('MULTI', 'SET a 1', 'EXEC'), '+OK +QUEUED');
    assert.equal(client.connection.holdReason, 'overload');
    gate.pendingBytes = 0;
    client.connection.resume();
    gate.commit();
    assert.equal(client.take(), '*1 +OK');
  });

  it('is refused without room on the disk, unless it needs none', () => {
    const misconf = 'MISCONF The disk has less free space than min-free-disk';
    client.send('MULTI', 'SET a 1');
    client.take();
    gate.disk.isLow = true;
    assert.match(
      client.send('EXEC'),
      new RegExp(`^-EXECABORT Transaction discarded because of: ${misconf}`),
    );
    assert.match(
      client.send('MULTI', 'DEL a', 'INCR a', 'EXEC'),
      new RegExp(`^\\+OK \\+QUEUED -${misconf}.* -EXECABORT .* previous errors\\.$`),
    );
    assert.equal(gate.taken.length, 0);
    client.send('MULTI', 'DEL a', 'GET a', 'EXPIRE a 5', 'EXEC');
    gate.commit();
    assert.match(client.take(), /\*3 :0 \$-1 :0$/);
  });

  it('is limited in bytes, and refused beyond', () => {
    // Two of them are too much.
    const half = encodeRequest(['SET', 'a', Buffer.alloc(limits.transactionBytesMax / 2)]);
    client.send('MULTI');
    client.socket.emit('data', half);
    assert.equal(client.take(), '+QUEUED');
    client.socket.emit('data', half);
    assert.match(client.take(), /^-ERR transaction is longer than the limit/);
    assert.match(client.send('EXEC'), /^-EXECABORT /);
    assert.equal(gate.taken.length, 0);
  });

  it('is limited in commands', () => {
    client.send('MULTI');
    const commands = Buffer.alloc(14 * limits.transactionCommandsMax, encodeRequest(['PING']));
    client.socket.emit('data', commands);
    assert.equal(client.connection.session.transaction!.count, limits.transactionCommandsMax);
    client.take();
    assert.match(client.send('SET a 1'), /^-ERR more commands are queued than the limit of 20000 /);
    assert.match(client.send('PING'), /^-ERR more commands are queued/);
    assert.match(client.send('EXEC'), /^-EXECABORT /);
  });

  it('that reads much goes alone, and small ones follow each other', () => {
    const small = ['MULTI', 'GET a', 'EXEC'];
    const large = [
      'MULTI',
      ...Array.from({ length: limits.loggedReadsMax }, () => 'GET a'),
      'EXEC',
    ];
    client.send(...small, ...small, ...large, ...small);
    assert.equal(gate.taken.length, 2);
    gate.commit();
    assert.equal(gate.taken.length, 1);
    gate.commit();
    assert.equal(gate.taken.length, 1);
    gate.commit();
    assert.equal(client.connection.loggedReadCount, 0);
  });

  it('needs the password, and says so at EXEC', () => {
    gate.harness.machine.close();
    gate = new Gate('secret');
    client = gate.connect();
    assert.equal(
      client.send('MULTI', 'EXEC', 'WATCH a'),
      '-NOAUTH Authentication required. ' +
        '-EXECABORT Transaction discarded because of: NOAUTH Authentication required. ' +
        '-NOAUTH Authentication required.',
    );
  });

  it('knows what is wrong with a subcommand before it is queued', () => {
    for (const line of ['CLIENT nosuch', 'SLOWLOG nosuch', 'ACL WHOAMI x', 'LATENCY GRAPH']) {
      assert.match(client.send('MULTI', line, 'EXEC'), /^\+OK -ERR .* -EXECABORT /, line);
    }
    for (const line of ['OBJECT nosuch a', 'OBJECT ENCODING', 'OBJECT HELP x', 'OBJECT']) {
      assert.match(client.send('MULTI', line, 'EXEC'), /^\+OK -ERR .* -EXECABORT /, line);
    }
    assert.equal(gate.taken.length, 0);
    assert.match(client.send('MULTI', 'MEMORY USAGE', 'EXEC'), /^\+OK -ERR wrong .* -EXECABORT /);
  });

  it('has MEMORY USAGE among its data commands', () => {
    client.send('MULTI', 'SET a 1', 'MEMORY USAGE a', 'PING', 'EXEC');
    assert.equal(gate.taken.length, 1);
    gate.commit();
    assert.match(client.take(), /\*3 \+OK :\d+ \+PONG$/);
    const answers = client.send('MULTI', 'MEMORY USAGE a', 'MEMORY USAGE b', 'EXEC');
    assert.equal(answers, `+OK +QUEUED +QUEUED ${crossSlot}`);
  });

  it('does not wait for anything inside, as WAIT would', () => {
    assert.equal(client.send('MULTI', 'WAIT 1 0', 'EXEC'), '+OK +QUEUED *1 :0');
  });

  describe('and CLIENT PAUSE', () => {
    const held = (): boolean => client.connection.isWaiting;

    it('WRITE holds queued writes, and EXEC when it has some', () => {
      client.send('MULTI', 'SET a 1', 'GET a');
      gate.pause.start('write', 1000);
      client.take();
      assert.equal(client.send('EXEC'), '');
      assert.deepEqual([held(), client.connection.holdReason], [true, 'pause']);
      gate.pause.end();
      client.connection.resume();
      gate.commit();
      assert.equal(client.take(), '*2 +OK $1 1');

      gate.pause.start('write', 1000);
      assert.equal(client.send('MULTI', 'GET a', 'PING', 'EXEC'), '+OK +QUEUED +QUEUED');
      gate.commit();
      assert.equal(client.take(), '*2 $1 1 +PONG');
      assert.equal(client.send('MULTI', 'SET a 2'), '+OK');
      assert.equal(held(), true);
      gate.pause.end();
      client.connection.resume();
      assert.equal(client.take(), '+QUEUED');
    });

    it('holds everything before it is queued', () => {
      client.send('MULTI');
      gate.pause.start('all', 1000);
      client.take();
      for (const line of ['PING', 'GET a', 'EXEC']) {
        assert.equal(client.send(line), '');
        assert.deepEqual([held(), client.connection.holdReason], [true, 'pause']);
      }
      gate.pause.end();
      client.connection.resume();
      gate.commit();
      assert.equal(client.take(), '+QUEUED +QUEUED *2 +PONG $-1');
    });
  });

  describe('and CLIENT REPLY', () => {
    it('OFF leaves out all of it, and runs its server commands all the same', () => {
      client.send('CLIENT REPLY OFF', 'MULTI', 'SELECT 3', 'SET a 3', 'EXEC', 'SET b 3');
      gate.commit();
      gate.commit();
      assert.equal(client.connection.hasOpenTransaction, false);
      assert.equal(gate.harness.machine.keyCount(3), 2);
      assert.equal(client.send('CLIENT REPLY ON', 'PING'), '+OK +PONG');
    });

    it('SKIP inside leaves out what follows EXEC', () => {
      client.send('MULTI', 'GET a', 'CLIENT REPLY SKIP', 'EXEC', 'ECHO first', 'ECHO second');
      gate.commit();
      assert.equal(client.take(), '*2 $-1 +OK $6 second');
    });
  });

  it('is counted with its commands', () => {
    client.send('MULTI', 'SET a 1', 'CLIENT ID', 'EXEC');
    gate.commit();
    const calls = [...gate.statistics.commands].map(([name, counts]) => [name, counts.calls]);
    assert.deepEqual(Object.fromEntries(calls), { multi: 1, set: 1, exec: 1, 'client|id': 1 });
  });

  it('is not in the slow log, but its server commands are', () => {
    const slow = (): string[] => gate.slowLog.latest(-1).map(({ args }) => String(args[0]));
    client.send('PING');
    assert.deepEqual(slow(), []);
    gate.settings.set(['slowlog-log-slower-than', '0']);
    client.send('MULTI', 'PING', 'EXEC');
    assert.deepEqual(slow(), ['PING', 'MULTI']);
    gate.settings.set(['slowlog-log-slower-than', '-1']);
    client.send('PING');
    assert.equal(slow().length, 2);
  });

  it('of a client that is gone still takes place, without its server commands', () => {
    client.send('MULTI', 'SET a 1', 'CLIENT SETNAME me', 'EXEC');
    client.socket.destroy();
    gate.commit();
    assert.equal(gate.harness.run('GET', 'a'), '1');
    assert.equal(client.connection.session.name, '');
  });
});
