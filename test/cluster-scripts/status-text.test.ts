import assert from 'node:assert/strict';
import {
  bytes,
  changedFacts,
  facts,
  statusLines,
  trialLines,
} from '../../cluster-scripts/status-text.js';
import { clusterOf, leaderStatus, serverStatus, stoppedStatus } from './server-status.js';

describe('status text', () => {
  it('shows a row per server under a headline that says who leads', () => {
    const servers = [
      leaderStatus({ server: 1, opsPerSecond: 950 }),
      serverStatus({ server: 2 }),
      stoppedStatus(3, 'its pid file says 103, which has ended'),
    ];
    const lines = statusLines(clusterOf(servers, 1, 2), { columns: 80, withPid: false });
    assert.deepEqual(lines, [
      'Holt, 3 servers in data: server 1 leads in term 2, 950 ops/s',
      '',
      '#  state    port  role      term  commit  applied  ops/s      log  memory',
      '1  running  7001  leader       2      12       12    950  1.0 MiB  74 MiB',
      '2  running  7101  follower     2      12       12      0  1.0 MiB  74 MiB',
      '3  stopped  7201  -            -       -        -      -        -       -',
      'server 3: its pid file says 103, which has ended',
    ]);
  });

  it('draws columns closer together where they would not fit', () => {
    const server = leaderStatus({
      server: 1,
      term: 1234,
      commitIndex: 123_456_789,
      appliedIndex: 123_456_789,
      opsPerSecond: 100_000,
    });
    const status = clusterOf([server], 1, 1234);
    const wide = statusLines(status, { columns: 200, withPid: true })[3]!;
    const narrow = statusLines(status, { columns: 80, withPid: true })[3]!;
    assert.ok(wide.length >= 80);
    assert.ok(narrow.length < 80);
    assert.deepEqual(narrow.split(/ +/), wide.split(/ +/));
  });

  it('shows pids when asked to', () => {
    const status = clusterOf([leaderStatus({ server: 1, pid: 4711 })], 1, 2);
    assert.match(
      statusLines(status, { columns: 80, withPid: true })[3]!,
      /^1 {2}running {2}4711 {2}7001/,
    );
  });

  it('offers a line to try on the first server that runs', () => {
    const status = clusterOf([stoppedStatus(1), leaderStatus({ server: 2 })], 2, 2);
    assert.deepEqual(trialLines(status), [
      'Try it:   redis-cli -c -p 7101',
      '          npm run client -- set hello world',
    ]);
  });

  it('tells the example where to look when the ports are others', () => {
    const status = clusterOf([leaderStatus({ server: 1, port: 21001 })], 1, 2);
    assert.deepEqual(trialLines(status), [
      'Try it:   redis-cli -c -p 21001',
      '          npm run client -- --port 21001 set hello world',
    ]);
  });

  it('tells only what changed, not that indexes moved', () => {
    const before = clusterOf([leaderStatus({ server: 1 }), serverStatus({ server: 2 })], 1, 2);
    const moved = clusterOf(
      [leaderStatus({ server: 1, commitIndex: 99 }), serverStatus({ server: 2, logBytes: 5 })],
      1,
      2,
    );
    const failedOver = clusterOf([stoppedStatus(1), leaderStatus({ server: 2, term: 3 })], 2, 3);
    assert.deepEqual(changedFacts(new Map(), facts(before)), [
      'server 1 is running on 127.0.0.1:7001 (pid 101)',
      'server 2 is running on 127.0.0.1:7101 (pid 102)',
      'server 1 leads in term 2',
    ]);
    assert.deepEqual(changedFacts(facts(before), facts(moved)), []);
    assert.deepEqual(changedFacts(facts(moved), facts(failedOver)), [
      'server 1 is stopped',
      'server 2 leads in term 3',
    ]);
  });

  it('tells learners, and servers that are no members, from voters', () => {
    const servers = [
      leaderStatus({ server: 1 }),
      serverStatus({ server: 2, membership: 'learner' }),
      serverStatus({ server: 3, membership: 'none' }),
    ];
    const status = clusterOf(servers, 1, 2);
    const lines = statusLines(status, { columns: 80, withPid: false });
    assert.match(lines[4]!, /^2 {2}running {2}7101 {2}learner /);
    assert.match(lines[5]!, /^3 {2}running {2}7201 {2}no member /);
    assert.equal(
      facts(status).get('server 2'),
      'server 2 is running on 127.0.0.1:7101 (pid 102), a learner',
    );
    assert.equal(
      facts(status).get('server 3'),
      'server 3 is running on 127.0.0.1:7201 (pid 103), no member of the group',
    );
  });

  it('tells an elected leader that does not serve yet from none', () => {
    const elected = leaderStatus({ server: 1, isServing: false });
    assert.equal(
      facts(clusterOf([elected], null, null)).get('group 1'),
      'server 1 is elected, not serving yet',
    );
    assert.equal(
      facts(clusterOf([serverStatus({ server: 1 })], null, null)).get('group 1'),
      'nobody leads',
    );
  });

  it('writes sizes in three digits or so', () => {
    const sizes: [number | null, string][] = [
      [null, '-'],
      [0, '0 B'],
      [1023, '1023 B'],
      [1024, '1.0 KiB'],
      [10_188, '9.9 KiB'],
      [10_189, '10 KiB'],
      [1_048_575, '1.0 MiB'],
      [67_108_864, '64 MiB'],
      [2_040_109_466, '1.9 GiB'],
    ];
    for (const [value, text] of sizes) assert.equal(bytes(value), text);
  });
});
