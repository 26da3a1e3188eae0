// Server commands on a replica that is made up: the shapes that clients parse to the letter.

import assert from 'node:assert/strict';
import { encodeReply, type MapReply, type Reply } from '../../resp/index.js';
import { ClientPause } from '../../src/client/client-pause.js';
import { findServerCommand, serverCommands } from '../../src/client/commands/index.js';
import { infoText } from '../../src/client/commands/info.js';
import type { ServerContext } from '../../src/client/commands/table.js';
import { LatencyMonitor } from '../../src/client/latency-monitor.js';
import { Session } from '../../src/client/session.js';
import { SlowLog } from '../../src/client/slow-log.js';
import { Topology } from '../../src/cluster/topology.js';
import { metricSections } from '../../src/metrics.js';
import { Settings } from '../../src/settings.js';
import { Statistics } from '../../src/statistics.js';
import { defaultOptions } from './default-options.js';

const ids = ['a', 'b', 'c'].map((letter) => letter.repeat(40));
const members = ids.map((replicaId, at) => ({
  replicaId,
  serverNumber: at + 1,
  host: '127.0.0.1',
  clientPort: 7001 + at * 100,
  busPort: 17001 + at * 100,
}));

/** The replica `b`, which follows `a`. */
function context(statistics = new Statistics(0)): ServerContext {
  const topology = new Topology(1, members, ids[1]!);
  topology.onLeadership(ids[0], 3);
  return {
    topology,
    statistics,
    process: {
      version: '0.0.0',
      runId: 'f'.repeat(40),
      pid: 1,
      startedAtMs: 0,
      memoryBytes: () => 1024,
      system: 'linux x64',
      systemMemoryBytes: 4096,
      usage: () => ({ userMicroseconds: 2_500_000, systemMicroseconds: 1, memoryPeakBytes: 2048 }),
    },
    settings: new Settings(defaultOptions),
    clientPort: 7101,
    committedIndex: () => 7,
    nowMs: () => 1_700_000_000_123,
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
    namesInSlot: (_slot, limit) =>
      ['a', 'b', 'c', 'd'].slice(0, limit).map((name) => Buffer.from(name)),
    clients: () => [],
    pause: new ClientPause({ monotonicMs: () => 0, onEnd: () => {} }),
    blocked: { count: 0, unblock: () => false },
    slowLog: new SlowLog(() => 128),
    latency: new LatencyMonitor(() => 0),
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

  it('CLUSTER GETKEYSINSLOT gives names, as many as there are', () => {
    assert.equal(text('CLUSTER GETKEYSINSLOT 5 2'), '*2\r\n$1\r\na\r\n$1\r\nb\r\n');
    assert.deepEqual((run('CLUSTER GETKEYSINSLOT 5 99') as Buffer[]).length, 4);
    for (const args of ['16384 1', '-1 1', '5 -1']) {
      const expected = '-ERR Invalid slot or number of keys\r\n';
      assert.equal(text(`CLUSTER GETKEYSINSLOT ${args}`), expected);
    }
    const expected = '-ERR value is not an integer or out of range\r\n';
    assert.equal(text('CLUSTER GETKEYSINSLOT x 1'), expected);
    assert.equal(text('CLUSTER GETKEYSINSLOT 1 1.5'), expected);
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

  it('CONFIG SET, HELP and REWRITE answer as Redis or with a sentence', () => {
    assert.equal(text('config set timeout 5'), '+OK\r\n');
    assert.equal(text('config set timeout 5 maxclients'), '-ERR syntax error\r\n');
    assert.equal(
      text('config set timeout'),
      "-ERR wrong number of arguments for 'config|set' command\r\n",
    );
    assert.match(text('config set foo bar'), /^-ERR Unknown option or number of arguments/);
    assert.match(text('config help'), /^\*11\r\n\+CONFIG <subcommand>/);
    assert.match(text('config rewrite'), /^-ERR CONFIG REWRITE is not supported: /);
    assert.equal(encodeReply(run('config get timeout'), 3).toString().slice(0, 4), '%1\r\n');
  });

  it('CONFIG RESETSTAT clears what is counted', () => {
    const statistics = new Statistics(0);
    statistics.of('get').calls = 3;
    statistics.of('get').addTime(20);
    statistics.countError('MOVED 1 a:1');
    statistics.commandsProcessed = 3;
    const sections = ['stats', 'commandstats', 'latencystats', 'errorstats'];
    const before = infoText(context(statistics), sections);
    assert.match(before, /^cmdstat_get:calls=3,usec=20,/m);
    assert.match(
      before,
      /^latency_percentiles_usec_get:p50=33\.023,p99=33\.023,p99\.9=33\.023\r$/m,
    );
    assert.match(before, /^errorstat_MOVED:count=1\r$/m);
    assert.match(before, /^total_error_replies:1\r$/m);
    const args = ['config', 'resetstat'].map((word) => Buffer.from(word));
    findServerCommand(args[0]!)!.run(context(statistics), session(), args);
    const after = infoText(context(statistics), sections);
    assert.doesNotMatch(after, /cmdstat_|errorstat_|latency_percentiles/);
    assert.match(after, /^total_error_replies:0\r$/m);
    assert.match(after, /^total_commands_processed:0\r$/m);
  });

  it('INFO selects sections as Redis does', () => {
    const titles = (line: string): string[] =>
      [...(run(line) as { text: string }).text.matchAll(/^# (.*)\r$/gm)].map(([, title]) => title!);
    const all = metricSections.map(({ title }) => title);
    const short = all.filter((title) => title !== 'Commandstats' && title !== 'Latencystats');
    assert.deepEqual(titles('info'), short);
    assert.deepEqual(titles('info default'), short);
    assert.deepEqual(titles('info all'), all);
    assert.deepEqual(titles('info everything'), all);
    assert.deepEqual(titles('info CLUSTER server nosuch'), ['Server', 'Cluster']);
    assert.deepEqual(titles('info default commandstats latencystats'), all);
    assert.equal((run('info nosuch') as { text: string }).text, '');
  });

  it('INFO has every metric of the table, each a line with a name and a value', () => {
    const { text: all } = run('info everything') as { text: string };
    for (const line of all.split('\r\n')) assert.match(line, /^$|^# \w+$|^\w+:/);
    for (const metric of metricSections.flatMap(({ metrics }) => metrics)) {
      if ('lines' in metric) continue;
      assert(all.includes(`\r\n${metric.name}:`), metric.name);
    }
    assert.match(all, /^used_cpu_user:2\.500000\r$/m);
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
    const debug = (enableDebugCommand: 'no' | 'local' | 'yes', line: string): string => {
      const settings = new Settings({ ...defaultOptions, enableDebugCommand });
      return encodeReply(run(line, session(), { sleep, settings }), 2).toString();
    };
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
    const settings = new Settings({ ...defaultOptions, requirepass: 'secret' });
    const hash = '2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b';
    assert.deepEqual(run('acl list', session(), { settings }), [
      `user default on #${hash} ~* &* +@all`,
    ]);
    const user = run('acl getuser default', session(), { settings }) as MapReply;
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

  it('COMMAND knows the keys of WATCH and of subcommands', () => {
    assert.equal(text('command getkeys watch a b'), '*2\r\n$1\r\na\r\n$1\r\nb\r\n');
    assert.equal(text('command getkeys object encoding a'), '*1\r\n$1\r\na\r\n');
    assert.equal(text('command getkeys memory usage a'), '*1\r\n$1\r\na\r\n');
    assert.match(text('command getkeys watch'), /^-ERR Invalid number of arguments specified/);
    assert.match(text('command getkeys object encoding'), /^-ERR Invalid number of arguments/);
    assert.match(text('command getkeys exec'), /^-ERR The command has no key arguments/);
    assert.equal(text('command getkeysandflags watch a'), '*1\r\n*2\r\n$1\r\na\r\n*1\r\n+RO\r\n');
    const [watch, exec] = run('command info watch exec') as Reply[][];
    assert.deepEqual(watch!.slice(0, 2), ['watch', -2]);
    assert.deepEqual(watch!.slice(3, 6), [1, -1, 1]);
    assert.deepEqual(exec!.slice(0, 2), ['exec', 1]);
    const docs = run('command docs multi exec discard watch unwatch') as MapReply;
    assert.equal(docs.entries.length, 5);
    assert.equal((run('command docs object|encoding') as MapReply).entries.length, 1);
  });

  it('HELP of every container ends as in Redis', () => {
    for (const { name, subcommands } of serverCommands) {
      if (subcommands?.help === undefined) continue;
      const lines = (run(`${name} help`) as unknown as { text: string }[]).map((line) => line.text);
      assert.match(lines[0]!, new RegExp(`^${name.toUpperCase()} <subcommand> `));
      assert.deepEqual(lines.slice(-2), ['HELP', '    Prints this help.']);
    }
  });
});
