// Server commands on a replica that is made up: the shapes that clients parse to the letter.

import assert from 'node:assert/strict';
import { encodeReply, type MapReply, type Reply } from '../../resp/index.js';
import { ClientPause } from '../../src/client/client-pause.js';
import { findServerCommand, serverCommands } from '../../src/client/commands/index.js';
import type { ServerContext } from '../../src/client/commands/table.js';
import { defaultMonitorSettings, ExecutionTimes } from '../../src/client/execution-times.js';
import { LatencyMonitor } from '../../src/client/latency-monitor.js';
import { Session } from '../../src/client/session.js';
import { SlowLog } from '../../src/client/slow-log.js';
import { Topology } from '../../src/cluster/topology.js';
import { Statistics } from '../../src/statistics.js';

const ids = ['a', 'b', 'c'].map((letter) => letter.repeat(40));
const members = ids.map((replicaId, at) => ({
  replicaId,
  serverNumber: at + 1,
  host: '127.0.0.1',
  clientPort: 7001 + at * 100,
  busPort: 17001 + at * 100,
}));

/** The replica `b`, which follows `a`. */
function context(): ServerContext {
  const topology = new Topology(1, members, ids[1]!);
  topology.onLeadership(ids[0], 3);
  const slowLog = new SlowLog(() => 128);
  const latency = new LatencyMonitor(() => 0);
  const nowMs = (): number => 1_700_000_000_123;
  return {
    topology,
    statistics: new Statistics(0),
    process: {
      version: '0.0.0',
      runId: 'f'.repeat(40),
      pid: 1,
      startedAtMs: 0,
      memoryBytes: () => 1024,
    },
    password: '',
    maxclients: 10,
    nowMs,
    raft: () => ({
      role: 'follower',
      term: 3,
      leaderId: ids[0],
      commitIndex: 9,
      appliedIndex: 8,
      lastIndex: 9,
      logBytes: 4096,
      isServing: false,
      peers: [
        { replicaId: ids[0]!, isLinked: true, matchIndex: undefined, state: undefined },
        { replicaId: ids[2]!, isLinked: false, matchIndex: undefined, state: undefined },
      ],
    }),
    keyspace: (database) => ({ keys: database === 0 ? 5 : 0, expires: 2 }),
    keysInSlot: () => 4,
    clients: () => [],
    pause: new ClientPause({ monotonicMs: () => 0, onEnd: () => {} }),
    blocked: { count: 0, unblock: () => false },
    slowLog,
    latency,
    times: new ExecutionTimes({ settings: defaultMonitorSettings, slowLog, latency, nowMs }),
    enableDebugCommand: () => 'no',
    sleep: () => assert.fail('Nothing may sleep'),
    serverCommands,
  };
}

function session(): Session {
  return new Session({
    id: 7,
    address: '127.0.0.1:50000',
    localAddress: '127.0.0.1:7101',
    nowMs: 1_700_000_000_000,
    isAuthenticated: true,
  });
}

function run(line: string, on = session(), changes: Partial<ServerContext> = {}): Reply {
  const args = line.split(' ').map((word) => Buffer.from(word));
  const command = findServerCommand(args[0]!);
  assert(command, `${line} is no server command`);
  return command.run({ ...context(), ...changes }, on, args);
}

function text(line: string): string {
  return encodeReply(run(line), 2).toString();
}

describe('Server commands', () => {
  it('READONLY and READWRITE are remembered by the session', () => {
    const own = session();
    run('readonly', own);
    assert.equal(own.isReadonly, true);
    run('readwrite', own);
    assert.equal(own.isReadonly, false);
  });

  it('CLUSTER NODES has a line per node, and slots for the master alone', () => {
    const { text: lines } = run('cluster nodes') as { text: string };
    assert.equal(
      lines,
      `${ids[0]} 127.0.0.1:7001@17001 master - 0 0 3 connected 0-16383\n` +
        `${ids[1]} 127.0.0.1:7101@17101 myself,slave ${ids[0]} 0 0 3 connected\n` +
        `${ids[2]} 127.0.0.1:7201@17201 slave ${ids[0]} 0 0 3 disconnected\n`,
    );
  });

  it('CLUSTER SLOTS covers all slots, with the master first', () => {
    const [range] = run('cluster slots') as Reply[][];
    assert.deepEqual(range!.slice(0, 2), [0, 16383]);
    assert.deepEqual(
      range!.slice(2).map((node) => (node as Reply[]).slice(0, 3)),
      members.map(({ host, clientPort, replicaId }) => [host, clientPort, replicaId]),
    );
  });

  it('CLUSTER INFO has exactly one colon a line', () => {
    const { text: lines } = run('cluster info') as { text: string };
    for (const line of lines.trimEnd().split('\r\n')) assert.equal(line.split(':').length, 2);
    assert.match(lines, /^cluster_state:ok\r$/m);
  });

  it('HELLO answers its fields in the order that clients index', () => {
    const own = session();
    const reply = run('hello 3 setname app', own) as MapReply;
    assert.deepEqual(
      reply.entries.map(([name]) => name),
      ['server', 'version', 'proto', 'id', 'mode', 'role', 'modules'],
    );
    assert.deepEqual([own.protocol, own.name], [3, 'app']);
    assert.match(text('hello 4'), /^-NOPROTO /);
    assert.match(text('hello x'), /^-ERR Protocol version is not an integer/);
  });

  it('COMMAND entries have ten elements', () => {
    const [known, unknown] = run('command info config nosuch') as Reply[][];
    assert.equal(known!.length, 10);
    assert.equal(unknown, null);
    assert.equal(run('command count'), (run('command') as Reply[]).length);
    assert.match(text('command getkeys ping'), /The command has no key arguments/);
  });

  it('CONFIG GET takes patterns', () => {
    assert.equal(text('config get save'), '*2\r\n$4\r\nsave\r\n$0\r\n\r\n');
    assert.equal(text('config get appendo*'), '*2\r\n$10\r\nappendonly\r\n$3\r\nyes\r\n');
    assert.equal(text('config get nothing-like-it'), '*0\r\n');
  });

  it('ROLE and INFO tell what this replica is', () => {
    assert.deepEqual(run('role'), ['slave', '127.0.0.1', 7001, 'connected', 8]);
    const { text: all } = run('info') as { text: string };
    assert.match(all, /^role:slave\r$/m);
    assert.match(all, /^db0:keys=5,expires=2,avg_ttl=0\r$/m);
    assert.match(all, /^raft_term:3\r$/m);
    const { text: one } = run('info raft') as { text: string };
    assert.doesNotMatch(one, /^role:/m);
  });

  it('TIME is in seconds and microseconds', () => {
    assert.deepEqual(run('time'), ['1700000000', '123000']);
  });

  it('an unknown subcommand and a wrong number of arguments have the texts of Redis', () => {
    assert.equal(text('client nosuch'), "-ERR unknown subcommand 'nosuch'. Try CLIENT HELP.\r\n");
    assert.equal(
      text('client setname'),
      "-ERR wrong number of arguments for 'client|setname' command\r\n",
    );
  });

  it('DEBUG SLEEP is for those who are allowed to, and sleeps', () => {
    const slept: number[] = [];
    const sleep = (milliseconds: number): void => {
      slept.push(milliseconds);
    };
    const debug = (allowed: 'no' | 'local' | 'yes', line: string): string =>
      encodeReply(run(line, session(), { sleep, enableDebugCommand: () => allowed }), 2).toString();
    assert.match(debug('no', 'debug sleep 1'), /^-ERR DEBUG command not allowed\. /);
    assert.equal(debug('local', 'debug sleep 0.25'), '+OK\r\n');
    assert.equal(debug('yes', 'debug sleep x'), '+OK\r\n');
    assert.match(
      debug('yes', 'debug object k'),
      /^-ERR unknown subcommand 'object'\. Try DEBUG HELP/,
    );
    assert.deepEqual(slept, [250]);
  });

  it('ACL shows the hash of the password, never the password', () => {
    const password = 'secret';
    const hash = '2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b';
    assert.deepEqual(run('acl list', session(), { password }), [
      `user default on #${hash} ~* &* +@all`,
    ]);
    const user = run('acl getuser default', session(), { password }) as MapReply;
    assert.deepEqual(user.entries[1], ['passwords', [hash]]);
  });

  it('LATENCY GRAPH and DOCTOR tell of the events', () => {
    const latency = new LatencyMonitor(() => 1);
    const now = Math.floor(context().nowMs() / 1000);
    latency.add('command', now - 90, 100);
    latency.add('command', now - 5, 10);
    const { text: graph } = run('latency graph command', session(), { latency }) as {
      text: string;
    };
    assert.deepEqual(graph.split('\n'), [
      'command - high 100 ms, low 10 ms (all time high 100 ms)',
      '-'.repeat(80),
      '# ',
      '| ',
      '| ',
      '|_',
      '  ',
      '15',
      'ms',
      '',
    ]);
    assert.deepEqual(run('latency latest', session(), { latency }), [
      ['command', now - 5, 10, 100],
    ]);
    const { text: report } = run('latency doctor', session(), { latency }) as { text: string };
    assert.match(
      report,
      /^command: 2 latency spikes \(average 55ms\)\. Worst all time event 100ms\./,
    );
  });

  it('COMMAND DOCS tells of subcommands, each with its own facts', () => {
    const docs = run('command docs client') as MapReply;
    const [[name, client]] = docs.entries as [[string, MapReply]];
    assert.equal(name, 'client');
    const [, subcommands] = client.entries.find(([key]) => key === 'subcommands') as [
      string,
      MapReply,
    ];
    const names = subcommands.entries.map(([key]) => key);
    assert.equal(names.length, 18);
    assert(names.includes('client|no-touch'));
  });

  it('HELP of every container ends as in Redis', () => {
    for (const { name, subcommands } of serverCommands) {
      if (subcommands?.help === undefined) continue;
      const lines = (run(`${name} help`) as unknown as { text: string }[]).map((line) => line.text);
      assert.match(lines[0]!, new RegExp(`^${name.toUpperCase()} <subcommand> `));
      assert.deepEqual(lines.slice(-2), ['HELP', '    Print this help.']);
    }
  });
});
