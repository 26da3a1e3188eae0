// redis-benchmark ends with an error at the first error reply. That it ends well is the test; how
// fast it was is none.

import assert from 'node:assert/strict';
import { ClusterUnderTest, type ServerUnderTest } from './cluster-under-test.js';
import { runProgram } from './run-program.js';

describe('redis-benchmark', () => {
  let cluster: ClusterUnderTest;
  let leader: ServerUnderTest;

  before(async () => {
    cluster = await ClusterUnderTest.start();
    leader = await cluster.leader();
  });
  after(() => cluster.dispose());

  const runs: [string, readonly string[]][] = [
    [
      'SET, GET and INCR of 4 KiB by 200 clients',
      ['-t', 'set,get,incr', '-d', '4096', '-c', '200', '-r', '100000', '-n', '20000'],
    ],
    ['pipelines of 16', ['-t', 'set,get,incr', '-P', '16', '-r', '10000', '-n', '50000']],
    ['PING, inline and not', ['-t', 'ping_inline,ping_mbulk', '-n', '20000']],
    ['RESP3', ['-3', '-t', 'set,get', '-n', '5000']],
    ['a mixed command line', ['-n', '2000', '-r', '100', 'APPEND', 'key:__rand_int__', 'x']],
  ];
  for (const [what, args] of runs) {
    it(`${what} ends without an error`, async () => {
      const result = await runProgram(
        'redis-benchmark',
        ['-p', String(leader.clientPort), '-q', ...args],
        { deadlineMs: 50_000 },
      );
      assert.equal(result.code, 0, result.stdout + result.stderr);
      assert.doesNotMatch(result.stdout + result.stderr, /error|warning/i);
      assert.match(result.stdout, /requests per second/);
    });
  }

  it('leaves three equal replicas', () => cluster.converged());

  it('does not keep a follower under its load from ending', async () => {
    const [follower] = await cluster.followers();
    const args = ['-p', String(leader.clientPort), '-q', '-t', 'set', '-c', '50', '-n', '60000'];
    const running = runProgram('redis-benchmark', args, { deadlineMs: 50_000 });
    assert.equal(await follower!.stop(), 0);
    const result = await running;
    assert.equal(result.code, 0, result.stdout + result.stderr);
    await follower!.start();
    await cluster.converged();
  });
});
