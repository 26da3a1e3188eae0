// Options as they reach a real server, and CONFIG beside a real Redis.

import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import fs from 'node:fs';
import { join } from 'node:path';
import { ClusterUnderTest, runHolt, type ServerUnderTest } from './cluster-under-test.js';
import { eventually } from './eventually.js';
import { freeBasePorts } from './free-ports.js';
import { plain, RespConnection } from './resp-connection.js';

describe('Options', () => {
  let cluster: ClusterUnderTest;
  let server: ServerUnderTest;
  let connection: RespConnection;

  before(async () => {
    cluster = await ClusterUnderTest.start({
      serverCount: 1,
      serverArguments: ['--announce-host', 'holt.example', '--announce-base-port', '31000'],
      environment: { HOLT_SLOWLOG_MAX_LEN: '7' },
      prepare: ([only]) => {
        const path = join(only!.directory, 'holt.conf');
        fs.writeFileSync(path, '# a comment\nslowlog-max-len 8\nmaxclients 500\n');
      },
    });
    [server] = cluster.servers as [ServerUnderTest];
    await server.stop();
    await server.start(['--config', join(server.directory, 'holt.conf')]);
    await cluster.leader();
  });
  after(() => cluster.dispose());
  beforeEach(async () => {
    connection = await server.connect();
  });
  afterEach(() => connection.close());

  it('come from command line, variables and a file', async () => {
    const names = ['announce-host', 'slowlog-max-len', 'maxclients', 'timeout'];
    assert.deepEqual(await connection.call('CONFIG', 'GET', ...names), [
      ...['announce-host', 'holt.example', 'slowlog-max-len', '7'],
      ...['maxclients', '500', 'timeout', '0'],
    ]);
    await connection.call('HELLO', '3');
    assert.deepEqual(await connection.call('CONFIG', 'GET', 'maxclients'), { maxclients: '500' });
  });

  it('clients are told the announced address', async () => {
    const slots = (await connection.call('CLUSTER', 'SLOTS')) as unknown[][];
    assert.deepEqual((slots[0]![2] as unknown[]).slice(0, 2), ['holt.example', 31_001]);
    assert.match(String(await connection.call('CLUSTER', 'NODES')), / holt\.example:31001@41001 /);
    assert.equal((await server.info('server')).get('tcp_port'), String(server.clientPort));
  });

  it('an idle client is closed, one that asks is not', async () => {
    const idle = await server.connect();
    await connection.call('CONFIG', 'SET', 'timeout', '1');
    await eventually('the idle client is closed', 15_000, async () => {
      await connection.call('PING');
      return idle.isClosed;
    });
    assert.equal(await connection.call('CONFIG', 'SET', 'timeout', '0'), 'OK');
    assert.notEqual((await server.info('stats')).get('total_idle_clients_closed'), '0');
  });

  it('maxclients counts from the next connection on', async () => {
    await connection.call('CONFIG', 'SET', 'maxclients', '1');
    const refused = await RespConnection.open(server.clientPort);
    assert.equal(plain(await refused.next()), '-ERR max number of clients reached');
    await refused.closed;
    assert.equal(await connection.call('CONFIG', 'SET', 'maxclients', '500'), 'OK');
  });

  it('a password is asked of new connections, until there is none again', async () => {
    assert.equal(await connection.call('CONFIG', 'SET', 'requirepass', 'secret'), 'OK');
    const stranger = await RespConnection.open(server.clientPort);
    assert.equal(await stranger.call('GET', 'a'), '-NOAUTH Authentication required.');
    assert.equal(await connection.call('PING'), 'PONG');
    assert.equal(await connection.call('CONFIG', 'SET', 'requirepass', ''), 'OK');
    assert.equal(await stranger.call('GET', 'a'), null);
    stranger.close();
  });

  it('statistics by command and error, until CONFIG RESETSTAT', async () => {
    await connection.call('CONFIG', 'RESETSTAT');
    await connection.pipeline([
      ['SET', 'word', 'a'],
      ['GET', 'word'],
      ['GET'],
      ['INCR', 'word'],
      ['NOSUCH'],
    ]);
    const info = await server.info('everything');
    assert.match(info.get('cmdstat_set')!, /^calls=1,.*rejected_calls=0,failed_calls=0$/);
    assert.match(info.get('cmdstat_get')!, /^calls=1,.*rejected_calls=1,failed_calls=0$/);
    assert.match(info.get('cmdstat_incr')!, /^calls=1,.*rejected_calls=0,failed_calls=1$/);
    assert.equal(info.get('errorstat_ERR'), 'count=3');
    assert.doesNotMatch(info.get('cmdstat_set')!, /usec=0,/);
  });

  it('out of range, they end the start with one line', async () => {
    const args = ['server', '--dir', server.directory, '--maxclients', '0'];
    const { code, stderr, stdout } = await runHolt(args);
    assert.deepEqual(
      [code, stdout, stderr],
      [1, '', 'holt: Option --maxclients is "0", expected an integer from 1 to 1000000\n'],
    );
  });

  it('a password on the command line is refused', async () => {
    const args = ['server', '--dir', server.directory, '--requirepass', 'secret'];
    const { code, stderr } = await runHolt(args);
    assert.deepEqual([code, stderr], [2, 'holt: Unknown argument: requirepass\n']);
  });

  describe('beside Redis', () => {
    let redis: ChildProcess;
    let oracle: RespConnection;

    before(async () => {
      const [port] = await freeBasePorts(1);
      const options = ['--port', String(port), '--save', '', '--maxclients', '500'];
      redis = spawn('/usr/bin/redis-server', options, { stdio: 'ignore' });
      oracle = await eventually('Redis takes connections', 15_000, () =>
        RespConnection.open(port!),
      );
    });
    after(() => {
      oracle?.close();
      redis?.kill();
    });

    it('CONFIG has its replies and errors', async () => {
      const commands = [
        ['config', 'set', 'foo', 'bar'],
        ['config', 'set', 'timeout', '5', 'Foo', '1'],
        ['config', 'set', 'timeout'],
        ['config', 'set', 'timeout', '5', 'maxclients'],
        ['config', 'set', 'TIMEOUT', '5'],
        ['config', 'get', 'TIMEOUT'],
        ['config', 'set', 'timeout', 'x'],
        ['config', 'set', 'timeout', '-1'],
        ['config', 'set', 'timeout', '1.5'],
        ['config', 'set', 'timeout', ''],
        ['config', 'set', 'timeout', '0 '],
        ['config', 'set', 'timeout', '007'],
        ['config', 'set', 'timeout', '2147483648'],
        ['config', 'set', 'timeout', '5', 'timeout', '6'],
        ['config', 'set', 'timeout', 'x', 'databases', '6'],
        ['config', 'set', 'databases', '6'],
        ['config', 'set', 'cluster-enabled', 'yes'],
        ['config', 'set', 'enable-debug-command', 'yes'],
        ['config', 'set', 'tcp-keepalive', 'x', 'timeout', '7'],
        ['config', 'get', 'timeout'],
        ['config', 'get', 'timeout', 'TimeOut', 'nosuch'],
        ['config', 'set', 'slowlog-log-slower-than', '-1', 'timeout', '0'],
        ['config', 'get', 'slowlog-log-slower-*'],
        ['config', 'set', 'slowlog-log-slower-than', '10000'],
        ['config', 'get'],
        ['config', 'help'],
        ['config', 'nosuch'],
        ['config', 'resetstat', 'x'],
        ['config', 'resetstat'],
        ['config', 'get', 'save'],
      ];
      for (const protocol of ['2', '3']) {
        await oracle.call('HELLO', protocol);
        await connection.call('HELLO', protocol);
        for (const command of commands) {
          const expected = await oracle.call(...command);
          assert.deepEqual(await connection.call(...command), expected, command.join(' '));
        }
      }
    });
  });
});
