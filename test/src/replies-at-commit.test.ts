// Writes that are answered when they are committed, before they are applied here.

import assert from 'node:assert/strict';
import { okReply, type Reply } from '../../resp/index.js';
import type { PendingCommand } from '../../src/client/connection.js';
import { ExecutionTimes } from '../../src/client/execution-times.js';
import { LatencyMonitor } from '../../src/client/latency-monitor.js';
import { ReplicatedMachine } from '../../src/replicated-machine.js';
import { encodeBatch, removeDirectories } from '../sqlite-sm/machine-fixture.js';
import { type Client, Gate } from './scripted-gate.js';

describe('A write that is answered at commit', () => {
  let gate: Gate;
  let client: Client;
  let replicated: ReplicatedMachine;
  let broken: { readonly name: string | undefined; readonly reply: Reply }[];

  beforeEach(() => {
    gate = new Gate();
    client = gate.connect();
    broken = [];
    replicated = new ReplicatedMachine({
      machine: gate.harness.machine,
      settle: (context, reply) => {
        const pending = context as PendingCommand;
        pending.connection.settle(pending, reply);
        pending.connection.flush();
      },
      onBrokenPromise: ({ command }, reply) => broken.push({ name: command?.name, reply }),
      onFatal: (error) => assert.fail(error),
      times: new ExecutionTimes({
        settings: gate.settings.values,
        slowLog: gate.slowLog,
        latency: new LatencyMonitor(() => 0),
        nowMs: () => 0,
      }),
      nowMicroseconds: () => 0,
    });
  });
  afterEach(() => {
    gate.harness.machine.close();
    removeDirectories();
  });

  function taken(): PendingCommand[] {
    return gate.taken.map(({ pending }) => pending);
  }

  /** As the replica does. */
  function answerAtCommit(): void {
    for (const pending of taken().filter(({ repliesAtCommit }) => repliesAtCommit)) {
      pending.connection.settle(pending, okReply);
      pending.connection.flush();
    }
  }

  function apply(payload: Buffer = Buffer.concat(gate.taken.map(({ record }) => record))): void {
    replicated.apply(gate.harness.entry(payload), taken());
  }

  it('is one whose reply no state decides', () => {
    client.send('SET a 1', 'SET a 1 NX', 'SET a 1 GET', 'SET a 1 EX 5', 'SET a 1 EX x', 'INCR a');
    assert.deepEqual(
      taken().map(({ repliesAtCommit }) => repliesAtCommit),
      [true, false, false, true, false, false],
    );
  });

  it('is answered once, in its turn among the others', () => {
    client.send('SET a 1', 'INCR a', 'SET a x', 'INCR a');
    answerAtCommit();
    assert.equal(client.take(), '+OK');
    apply();
    assert.equal(client.take(), ':2 +OK -ERR value is not an integer or out of range');
    assert.equal(client.connection.hasPending, false);
    assert.deepEqual(broken, []);
  });

  it('is counted and timed when it is applied', () => {
    client.send('SET a 1');
    const timed = (): number => gate.statistics.of('set').histogram.cumulative().length;
    answerAtCommit();
    assert.equal(timed(), 0);
    apply();
    assert.equal(timed(), 1);
  });

  it('that came to another reply is told of, for its client was told OK', () => {
    client.send('SET a 1');
    answerAtCommit();
    apply(encodeBatch([['SET', 'a', '1', 'EX', '0']]));
    assert.equal(broken.length, 1);
    assert.equal(broken[0]!.name, 'set');
    assert.match((broken[0]!.reply as { text: string }).text, /invalid expire time/);
    assert.equal(client.take(), '+OK');
  });
});
