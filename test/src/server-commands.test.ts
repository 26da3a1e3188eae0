// Server commands on a replica that is made up: the shapes that clients parse to the letter.

import assert from 'node:assert/strict';
import type { RaftStatus } from '../../raft/index.js';
import { encodeReply, type MapReply, type Reply } from '../../resp/index.js';
import { ClientPause } from '../../src/client/client-pause.js';
import { findServerCommand, serverCommands } from '../../src/client/commands/index.js';
import { infoText } from '../../src/client/commands/info.js';
import type { Blocking, ServerContext } from '../../src/client/commands/table.js';
import { LatencyMonitor } from '../../src/client/latency-monitor.js';
import { Session } from '../../src/client/session.js';
import { SlowLog } from '../../src/client/slow-log.js';
import { readIntroduction } from '../../src/cluster/introduction.js';
import { MemberAdministration } from '../../src/cluster/member-administration.js';
import type { MemberLog } from '../../src/cluster/member-operation.js';
import { memberOf } from '../../src/cluster/members.js';
import { Topology } from '../../src/cluster/topology.js';
import { metricSections } from '../../src/metrics.js';
import { Settings } from '../../src/settings.js';
import { SnapshotLeases } from '../../src/snapshot-leases.js';
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

function administration(topology: Topology): MemberAdministration {
  const { leader, selfId } = topology;
  const log = {
    isLeader: leader?.replicaId === selfId,
    membership: { index: 0, voters: topology.members.map(memberOf), learners: [] },
    status: () => ({ lastIndex: 9, peers: [] }) as Partial<RaftStatus> as RaftStatus,
  };
  return new MemberAdministration(
    {
      log: log as Partial<MemberLog> as MemberLog,
      topology,
      clusterId: 'c'.repeat(32),
      self: members[1]!,
      askIntroduction: () => assert.fail('Nobody is to be asked'),
      monotonicMs: () => 0,
      sleep: () => assert.fail('Nothing may wait'),
      electionTimeoutMs: 1000,
      electionHoldMs: 0,
    },
    'secret',
  );
}

/** A context in which the replica waits to be added, or was removed. */
function contextOfNoMember(): Partial<ServerContext> {
  const topology = new Topology(1, members, ids[1]!);
  topology.onMembership([members[0]!, members[2]!], []);
  return { topology };
}

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
      durableIndex: 9,
      baseIndex: 2,
      logBytes: 4096,
      isServing: false,
      isInstalling: false,
      snapshotTransfers: [
        { direction: 'receiving', peer: ids[0]!, doneBytes: 100, totalBytes: 4000 },
      ],
      peers: [
        { replicaId: ids[0]!, isLinked: true, matchIndex: undefined, state: undefined },
        { replicaId: ids[2]!, isLinked: false, matchIndex: undefined, state: undefined },
      ],
    }),
    disk: { isLow: false, freeBytes: 5000 },
    keyspace: (database) => ({ keys: database === 0 ? 5 : 0, expires: 2 }),
    keysInSlot: () => 4,
    namesInSlot: (_slot, limit) =>
      ['a', 'b', 'c', 'd'].slice(0, limit).map((name) => Buffer.from(name)),
    clients: () => [],
    pause: new ClientPause({ monotonicMs: () => 0, onEnd: () => {} }),
    blocked: { count: 0, unblock: () => false },
    slowLog: new SlowLog(() => 128),
    latency: new LatencyMonitor(() => 0),
    members: administration(topology),
    snapshots: {
      status: () => ({
        isTaking: false,
        takingMs: undefined,
        newest: undefined,
        lastError: undefined,
        lastMs: undefined,
        logBytes: 100,
      }),
      take: () => assert.fail('No snapshot was asked for'),
      hold: () => assert.fail('No snapshot was asked for'),
    },
    leases: new SnapshotLeases(() => assert.fail('No snapshot was asked for'), {
      after: () => assert.fail('No snapshot was asked for'),
    }),
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

  it('what maps are made of, a replica that is no member does not tell', () => {
    const changes = contextOfNoMember();
    for (const line of [
      'cluster slots',
      'cluster shards',
      'cluster nodes',
      `cluster replicas ${ids[0]}`,
      'role',
    ]) {
      const { text: refusal } = run(line, session(), changes) as { text: string };
      assert.match(refusal, /^CLUSTERDOWN This server is not a member of its cluster: /, line);
    }
    const { text: lines } = run('cluster info', session(), changes) as { text: string };
    assert.match(lines, /^cluster_state:fail\r$/m);
    const { text: info } = run('info', session(), changes) as { text: string };
    assert.match(info, /^role:none\r$/m);
    assert.match(info, /^raft_membership:none\r$/m);
    const hello = run('hello 3', session(), changes) as MapReply;
    assert.deepEqual(hello.entries[5], ['role', 'none']);
  });

  it('HOLT MEMBERS LIST has a map per member', () => {
    const [first, second] = run('holt members list') as MapReply[];
    assert.deepEqual(first!.entries, [
      ['id', ids[0]],
      ['server', 1],
      ['address', '127.0.0.1:7001'],
      ['role', 'leader'],
      ['match', null],
      ['lag', null],
      ['linked', 0],
    ]);
    assert.deepEqual(new Map(second!.entries).get('linked'), 1);
  });

  it('HOLT IDENTITY introduces the server to those who have the bus secret', () => {
    const nonce = '5'.repeat(64);
    const read = readIntroduction(run(`holt identity ${nonce}`) as string, 'secret', nonce);
    assert('introduction' in read);
    assert.equal(read.introduction.self.replicaId, ids[1]);
    assert.deepEqual(read.introduction.members, members);
    assert.match(text('holt identity 5'), /^-ERR expected a nonce of 64 hexadecimal digits/);
  });

  it('HOLT MEMBERS starts a change, which blocks, or says what is wrong with it', async () => {
    const block = (line: string) => {
      const args = line.split(' ').map((word) => Buffer.from(word));
      return findServerCommand(args[0]!)!.block!(context(), session(), args);
    };
    const refusals: readonly (readonly [string, RegExp])[] = [
      ['holt members', /^ERR wrong number of arguments for 'holt\|members' command/],
      ['holt members frobnicate', /^ERR unknown subcommand 'frobnicate'\. Try HOLT HELP\./],
      ['holt members list all', /^ERR wrong number of arguments for 'holt\|members\|list'/],
      ['holt members add', /^ERR wrong number of arguments for 'holt\|members\|add'/],
      ['holt members add nowhere', /^ERR expected host:port/],
      ['holt members add h:1 later', /^ERR syntax error/],
      ['holt members promote', /^ERR wrong number of arguments for 'holt\|members\|promote'/],
      ['holt members remove 1 2', /^ERR wrong number of arguments for 'holt\|members\|remove'/],
      ['holt members replace 1', /^ERR wrong number of arguments for 'holt\|members\|replace'/],
      ['holt members replace 1 2', /^ERR expected host:port/],
    ];
    for (const [line, expected] of refusals) {
      assert.match((block(line) as { text: string }).text, expected, line);
    }
    const blocking = block('HOLT Members TRANSFER-leader 2') as Blocking;
    assert.equal(blocking.isDone(), false);
    assert.match((blocking.reply() as { text: string }).text, /^UNCERTAIN The change goes on/);
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(blocking.isDone(), true);
    assert.equal((blocking.reply() as { text: string }).text, 'MOVED 0 127.0.0.1:7001');
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

  it('WAITAOF counts this disk when the last write is on it, which may be after its answer', () => {
    const topology = new Topology(1, members, ids[1]!);
    topology.onLeadership(ids[1], 3);
    const own = session();
    own.lastWriteIndex = 9;
    for (const [durableIndex, local] of [
      [8, 0],
      [9, 1],
    ] as const) {
      const peers = ids.map((replicaId, at) => ({
        replicaId,
        isLinked: true,
        matchIndex: 8 + at,
        state: 'replicate',
      }));
      const raft = () => ({ ...context().raft(), durableIndex, peers });
      assert.deepEqual(run('waitaof 1 1 0', own, { topology, raft }), [local, 2]);
      assert.deepEqual(run('wait 1 0', own, { topology, raft }), 2);
    }
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
    latency.add('aof-fsync-always', now, 70);
    assert.deepEqual(run('latency history aof-fsync-always', session(), { latency }), [[now, 70]]);
    const { text: more } = run('latency doctor', session(), { latency }) as { text: string };
    assert.match(
      more,
      /^aof-fsync-always: 1 latency spikes .* the disk was slow to store the Raft/m,
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
    const setFlags = (line: string): string => text(`command getkeysandflags ${line}`);
    assert.match(setFlags('set a b NX'), /\*2\r\n\+OW\r\n\+update\r\n$/);
    assert.match(setFlags('set get b'), /\*2\r\n\+OW\r\n\+update\r\n$/);
    assert.match(setFlags('set a b NX Get'), /\*3\r\n\+RW\r\n\+access\r\n\+update\r\n$/);
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
