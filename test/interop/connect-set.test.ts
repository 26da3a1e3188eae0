// What clients send when they connect, and what people ask a server about itself.
//
// Where Redis has the same answer, a real redis-server says what it is: the same bytes, in RESP2 and
// in RESP3. It is Redis 7.0 (Debian) and stands alone; commands whose answers tell of the version, of
// the cluster or of the process are not among those compared.

import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import { join } from 'node:path';
import { ClusterUnderTest, type ServerUnderTest } from './cluster-under-test.js';
import { eventually } from './eventually.js';
import { encodeRequest, RespConnection } from './resp-connection.js';

const redisServer = '/usr/bin/redis-server';

/** Words are split at blanks; `''` is an empty argument. */
const alike = [
  // HELLO, AUTH and what is small
  ...['HELLO abc', 'HELLO 1', 'HELLO -1', 'HELLO 02', 'HELLO 99999999999999999999', 'HELLO 3 foo'],
  ...['HELLO 3 AUTH', 'HELLO 2 AUTH x', 'HELLO 2 SETNAME', 'HELLO 2 AUTH default x SETNAME'],
  ...['HELLO 2 AUTH bob x', 'HELLO 3 SETNAME a\tb', 'AUTH', 'AUTH a b c', 'AUTH x', 'AUTH bob x'],
  ...['AUTH default x', 'PING', 'PING a', 'PING a b', 'ECHO', 'ECHO a', 'SELECT x', 'SELECT 99'],
  ...['SELECT -1', 'SELECT 99999999999999999999', 'SELECT 0', 'TIME x', 'ROLE x', 'RESET x'],
  ...['READONLY x', 'READWRITE x', 'ASKING x', 'SENTINEL masters', 'NOSUCH a b'],
  // CLIENT
  ...['CLIENT', 'CLIENT nosuch', 'CLIENT ID x', 'CLIENT SETNAME a\tb', 'CLIENT SETNAME me'],
  ...['CLIENT GETNAME', "CLIENT SETNAME ''", 'CLIENT GETNAME', 'CLIENT INFO x'],
  ...['CLIENT LIST TYPE foo', 'CLIENT LIST TYPE normal x', 'CLIENT LIST TYPE pubsub'],
  ...['CLIENT LIST ID', 'CLIENT LIST ID x', 'CLIENT LIST ID 0', 'CLIENT LIST foo'],
  ...['CLIENT KILL', 'CLIENT KILL 1', 'CLIENT KILL 127.0.0.1:1', 'CLIENT KILL ID 0'],
  ...[
    'CLIENT KILL ID x',
    'CLIENT KILL ID 999999',
    'CLIENT KILL ID 1 ADDR',
    'CLIENT KILL foo bar baz',
  ],
  ...[
    'CLIENT KILL TYPE foo',
    'CLIENT KILL TYPE pubsub',
    'CLIENT KILL USER bob',
    'CLIENT KILL ADDR x',
  ],
  ...['CLIENT KILL SKIPME maybe', 'CLIENT KILL LADDR 1.2.3.4:5'],
  ...['CLIENT PAUSE', 'CLIENT PAUSE x', 'CLIENT PAUSE -1', 'CLIENT PAUSE 1 foo', 'CLIENT PAUSE 0'],
  ...['CLIENT PAUSE 99999999999999999999', 'CLIENT UNPAUSE', 'CLIENT UNPAUSE x'],
  ...['CLIENT UNBLOCK', 'CLIENT UNBLOCK x', 'CLIENT UNBLOCK 999999', 'CLIENT UNBLOCK 1 foo'],
  ...['CLIENT UNBLOCK 999999 ERROR', 'CLIENT REPLY', 'CLIENT REPLY foo', 'CLIENT REPLY ON'],
  ...['CLIENT NO-EVICT', 'CLIENT NO-EVICT foo', 'CLIENT NO-EVICT ON', 'CLIENT NO-EVICT OFF'],
  ...['CLIENT GETREDIR', 'CLIENT TRACKINGINFO', 'CLIENT TRACKING', 'CLIENT TRACKING foo'],
  ...['CLIENT TRACKING OFF', 'CLIENT CACHING', 'CLIENT CACHING YES'],
  // COMMAND
  ...['COMMAND nosuch', 'COMMAND COUNT 1', 'COMMAND INFO nosuch', 'COMMAND DOCS nosuch'],
  ...['COMMAND LIST foo', 'COMMAND LIST FILTERBY', 'COMMAND LIST FILTERBY foo bar'],
  ...['COMMAND LIST FILTERBY MODULE x', 'COMMAND LIST FILTERBY ACLCAT nosuch'],
  ...['COMMAND LIST FILTERBY PATTERN sTRl?n', 'COMMAND GETKEYS', 'COMMAND GETKEYS GET a'],
  ...['COMMAND GETKEYS SET a', 'COMMAND GETKEYS MSET a b c d', 'COMMAND GETKEYS MEMORY USAGE a'],
  ...['COMMAND GETKEYS nosuch a', 'COMMAND GETKEYS PING a', 'COMMAND GETKEYSANDFLAGS MSET a b c d'],
  ...['COMMAND GETKEYSANDFLAGS GET a', 'COMMAND GETKEYSANDFLAGS SET a b EX 1 NX'],
  ...['COMMAND GETKEYSANDFLAGS SET a b NX get', 'COMMAND GETKEYSANDFLAGS SET a b EX GET'],
  ...['COMMAND GETKEYSANDFLAGS RENAME a b', 'COMMAND GETKEYSANDFLAGS GETEX a'],
  ...['COMMAND INFO client|kill', 'COMMAND INFO memory|usage'],
  ...['COMMAND INFO slowlog|get', 'COMMAND INFO client|id latency|graph nosuch|x'],
  // SLOWLOG, LATENCY, MEMORY, DEBUG
  ...[
    'SLOWLOG',
    'SLOWLOG nosuch',
    'SLOWLOG RESET',
    'SLOWLOG GET',
    'SLOWLOG GET x',
    'SLOWLOG GET -2',
  ],
  ...['SLOWLOG GET -1 1', 'SLOWLOG LEN', 'SLOWLOG LEN x', 'LATENCY', 'LATENCY nosuch'],
  ...['LATENCY LATEST', 'LATENCY HISTORY', 'LATENCY HISTORY foo', 'LATENCY GRAPH foo'],
  ...['LATENCY DOCTOR', 'LATENCY RESET', 'LATENCY RESET foo', 'LATENCY HISTOGRAM foo'],
  ...['MEMORY', 'MEMORY nosuch', 'MEMORY USAGE', 'MEMORY USAGE nothing', 'MEMORY USAGE a SAMPLES'],
  ...['MEMORY USAGE a SAMPLES -1', 'MEMORY USAGE a SAMPLES x', 'MEMORY USAGE a foo 1'],
  ...['MEMORY USAGE nothing SAMPLES 0', 'MEMORY PURGE', 'MEMORY DOCTOR x', 'DEBUG SLEEP 1'],
  ...['DEBUG', 'DEBUG nosuch'],
  // ACL, MODULE and saving
  ...['ACL', 'ACL nosuch', 'ACL WHOAMI', 'ACL CAT', 'ACL CAT nosuch', 'ACL LIST', 'ACL USERS'],
  ...[
    'ACL GETUSER',
    'ACL GETUSER default',
    'ACL GETUSER bob',
    'ACL WHOAMI x',
    'MODULE',
    'MODULE LIST',
  ],
  ...['MODULE nosuch', 'SAVE', 'SAVE x', 'LASTSAVE x', 'BGSAVE foo'],
  // WAIT
  ...['WAIT', 'WAIT x 1', 'WAIT 1 x', 'WAIT 1 -1', 'WAIT 1 99999999999999999999'],
];

/** Their members come in no defined order. */
const unordered = /^(COMMAND INFO|ACL CAT$)/;

describe('The connect set', () => {
  let cluster: ClusterUnderTest;
  let leader: ServerUnderTest;
  let follower: ServerUnderTest;

  before(async () => {
    cluster = await ClusterUnderTest.start();
    leader = await cluster.leader();
    [follower] = (await cluster.followers()) as [ServerUnderTest, ServerUnderTest];
  });
  after(() => cluster.dispose());

  describe('beside Redis', () => {
    let redis: ChildProcess;
    let redisPort: number;
    let redisDirectory: string;

    before(async () => {
      redisPort = await freePort();
      // SAVE writes there.
      redisDirectory = fs.mkdtempSync(join(os.tmpdir(), 'holt-interop-redis-'));
      const where = ['--dir', redisDirectory, '--bind', '127.0.0.1', '--port', String(redisPort)];
      const options = [...where, '--save', ''];
      redis = spawn(redisServer, options, { stdio: 'ignore' });
      await eventually('redis-server takes connections', 10_000, async () => {
        const connection = await RespConnection.open(redisPort);
        connection.close();
        return true;
      });
    });
    after(() => {
      redis.kill();
      fs.rmSync(redisDirectory, { recursive: true });
    });

    for (const protocol of [2, 3]) {
      it(`answers the same bytes in RESP${protocol}`, async () => {
        const ours = await RawConnection.open(leader.clientPort);
        const theirs = await RawConnection.open(redisPort);
        const differences: { line: string; actual: string; expected: string }[] = [];
        for (const line of alike) {
          // A successful HELLO among the commands may have changed it.
          for (const each of [ours, theirs]) await each.ask(['HELLO', String(protocol)]);
          const args = line.split(' ').map((word) => (word === "''" ? '' : word));
          const [actual, expected] = [await ours.ask(args), await theirs.ask(args)];
          const normal = unordered.test(line) ? sorted : (answer: string) => answer;
          if (normal(actual) !== normal(expected)) differences.push({ line, actual, expected });
        }
        ours.close();
        theirs.close();
        assert.deepEqual(differences, []);
      });
    }
  });

  async function connect(): Promise<RespConnection> {
    return RespConnection.open(leader.clientPort);
  }

  it('CLIENT KILL ends other connections, and its own behind the reply', async () => {
    const [killer, byId, byAddress] = [await connect(), await connect(), await connect()];
    const id = (await byId.call('CLIENT', 'ID')) as number;
    assert.equal(await killer.call('CLIENT', 'KILL', 'ID', id), 1);
    await byId.closed;
    const { localAddress, localPort } = byAddress.socket;
    assert.equal(await killer.call('CLIENT', 'KILL', `${localAddress}:${localPort}`), 'OK');
    await byAddress.closed;
    const own = (await killer.call('CLIENT', 'ID')) as number;
    assert.equal(await killer.call('CLIENT', 'KILL', 'ID', own), 0, 'SKIPME is the default');
    assert.equal(await killer.call('CLIENT', 'KILL', 'ID', own, 'MAXAGE', 1000, 'SKIPME', 'no'), 0);
    assert.equal(await killer.call('CLIENT', 'KILL', 'ID', own, 'SKIPME', 'no'), 1);
    await killer.closed;
  });

  it('CLIENT LIST and INFO show what a connection is', async () => {
    const connection = await connect();
    await connection.call('CLIENT', 'SETNAME', 'lister');
    await connection.call('CLIENT', 'NO-EVICT', 'ON');
    await connection.call('CLIENT', 'NO-TOUCH', 'ON');
    const id = (await connection.call('CLIENT', 'ID')) as number;
    const line = (await connection.call('CLIENT', 'LIST', 'ID', id, id + 1000)) as string;
    assert.match(line, new RegExp(`^id=${id} addr=127\\.0\\.0\\.1:\\d+ .*name=lister .*flags=eT `));
    assert.match(line, / cmd=client\|list user=default redir=-1 resp=2 [^\n]*\n$/);
    assert.match((await connection.call('CLIENT', 'INFO')) as string, / cmd=client\|info /);
    connection.close();
  });

  it('CLIENT REPLY leaves out exactly the replies it is told to', async () => {
    const connection = await connect();
    connection.send(
      Buffer.concat(
        [
          ['CLIENT', 'REPLY', 'SKIP'],
          ['SET', 'silent', '1'],
          ['GET', 'silent'],
          ['CLIENT', 'REPLY', 'OFF'],
          ['INCR', 'silent'],
          ['CLIENT', 'REPLY', 'SKIP'],
          ['NOSUCH'],
          ['GET', 'silent'],
          ['CLIENT', 'REPLY', 'ON'],
          ['INCR', 'silent'],
          ['PING'],
        ].map(encodeRequest),
      ),
    );
    const answers = [];
    for (let count = 0; count < 4; count += 1) answers.push(await connection.next());
    assert.deepEqual(answers.map(String), ['1', 'OK', '3', 'PONG']);
    await connection.call('CLIENT', 'ID');
    assert.deepEqual(connection.unclaimed, []);
    connection.close();
  });

  it('RESET ends the silence', async () => {
    const connection = await connect();
    connection.send('CLIENT REPLY OFF\r\nPING\r\nRESET\r\n');
    assert.equal(await connection.next(), 'RESET');
    connection.close();
  });

  it('CLIENT PAUSE WRITE holds writes, not reads, until CLIENT UNPAUSE', async () => {
    const [pauser, writer] = [await connect(), await connect()];
    await writer.call('SET', 'paused', 'before');
    assert.equal(await pauser.call('CLIENT', 'PAUSE', 60_000, 'WRITE'), 'OK');
    const order: string[] = [];
    const written = writer
      .call('SET', 'paused', 'after')
      .then((reply) => order.push(String(reply)));
    const read = writer.call('GET', 'paused').then((reply) => order.push(String(reply)));
    assert.equal(await pauser.call('GET', 'paused'), 'before');
    assert.deepEqual(order, []);
    assert.equal(await pauser.call('CLIENT', 'UNPAUSE'), 'OK');
    await Promise.all([written, read]);
    assert.deepEqual(order, ['OK', 'after']);
    pauser.close();
    writer.close();
  });

  it('CLIENT PAUSE holds everything until its time is up, and lets nothing pass', async () => {
    const [pauser, other] = [await connect(), await connect()];
    assert.equal(await pauser.call('CLIENT', 'PAUSE', 300), 'OK');
    // Stricter and longer wins.
    const replies = await Promise.all([
      pauser.call('CLIENT', 'PAUSE', 1, 'WRITE'),
      other.call('PING'),
      other.call('SET', 'held', '1'),
      other.call('GET', 'held'),
    ]);
    assert.deepEqual(replies, ['OK', 'PONG', 'OK', '1']);
    pauser.close();
    other.close();
  });

  it('a client that goes while it is paused takes its write with it', async () => {
    const [pauser, writer] = [await connect(), await connect()];
    await pauser.call('DEL', 'given-up');
    await pauser.call('CLIENT', 'PAUSE', 60_000, 'WRITE');
    writer.socket.end(encodeRequest(['SET', 'given-up', '1']));
    await writer.closed;
    await pauser.call('CLIENT', 'UNPAUSE');
    assert.equal(await pauser.call('EXISTS', 'given-up'), 0);
    pauser.close();
  });

  describe('with a follower that sleeps', () => {
    before(() => follower.pause());
    after(() => follower.resume());

    it('WAIT and WAITAOF count who has the writes on disk', async () => {
      const connection = await connect();
      const replies = await connection.pipeline([
        ['SET', 'waited', '1'],
        ['WAIT', 1, 0],
        ['WAIT', 2, 50],
        ['WAITAOF', 1, 1, 0],
        ['WAITAOF', 1, 2, 50],
        ['GET', 'waited'],
      ]);
      assert.deepEqual(replies, ['OK', 1, 1, [1, 1], [1, 1], '1']);
      const transaction = await connection.pipeline([
        ['MULTI'],
        ['SET', 'waited', '1'],
        ['WAIT', 2, 0],
        ['EXEC'],
        ['WAIT', 2, 50],
      ]);
      assert.deepEqual(transaction.slice(-2), [['OK', 1], 1]);
      assert.equal(
        await connection.call('WAITAOF', 2, 0, 0),
        '-ERR value is out of range, value must between 0 and 1',
      );
      assert.equal(
        await connection.call('WAITAOF', 1, -1, 0),
        '-ERR value is out of range, must be positive',
      );
      connection.close();
    });

    it('CLIENT UNBLOCK wakes WAIT, and what stands behind it follows', async () => {
      const [waiter, waker] = [await connect(), await connect()];
      const id = (await waiter.call('CLIENT', 'ID')) as number;
      for (const [reason, expected] of [
        ['TIMEOUT', 1],
        ['ERROR', '-UNBLOCKED client unblocked via CLIENT UNBLOCK'],
      ] as const) {
        const replies = waiter.pipeline([['INCR', 'unblocked'], ['WAIT', 2, 0], ['PING']]);
        await eventually('WAIT blocks', 5000, async () => {
          const line = (await waker.call('CLIENT', 'LIST', 'ID', id)) as string;
          return / flags=b /.test(line) || undefined;
        });
        assert.equal((await leader.info('clients')).get('blocked_clients'), '1');
        assert.equal(await waker.call('CLIENT', 'UNBLOCK', id, reason), 1);
        assert.deepEqual((await replies).slice(1), [expected, 'PONG']);
        assert.equal(await waker.call('CLIENT', 'UNBLOCK', id), 0);
      }
      waiter.close();
      waker.close();
    });

    it('WAIT ends with its client', async () => {
      const [waiter, other] = [await connect(), await connect()];
      const id = (await waiter.call('CLIENT', 'ID')) as number;
      waiter.socket.end(
        Buffer.concat(
          [
            ['INCR', 'left'],
            ['WAIT', '2', '0'],
          ].map(encodeRequest),
        ),
      );
      await waiter.closed;
      assert.equal(await other.call('CLIENT', 'UNBLOCK', id), 0);
      assert.equal(await other.call('CLIENT', 'LIST', 'ID', id), '');
      other.close();
    });

    it('WAIT goes on when the follower does', async () => {
      const connection = await connect();
      await connection.call('SET', 'waited', '2');
      const both = connection.call('WAIT', 2, 0);
      follower.resume();
      assert.equal(await both, 2);
      connection.close();
    });
  });

  it('WAIT is refused on a replica', async () => {
    assert.match(
      (await follower.call('WAIT', 0, 0)) as string,
      /^-ERR WAIT cannot be used with replica instances\. /,
    );
    assert.match((await follower.call('WAITAOF', 0, 0, 0)) as string, /^-ERR WAITAOF cannot be /);
  });

  it('WAIT ends, and its connection, when the leader is deposed', async () => {
    const [asleep, last] = await cluster.followers();
    const connection = await connect();
    asleep!.pause();
    await connection.call('SET', 'deposed', '1');
    const waiting = connection.call('WAIT', 2, 0);
    last!.pause();
    assert.match((await waiting) as string, /^-UNBLOCKED force unblock from blocking operation, /);
    await connection.closed;
    asleep!.resume();
    last!.resume();
    leader = await cluster.leader();
    [follower] = (await cluster.followers()) as [ServerUnderTest, ServerUnderTest];
  });

  it('LATENCY HISTOGRAM counts the calls of each command', async () => {
    const connection = await connect();
    await connection.call('SET', 'counted', '1');
    await connection.call('GET', 'counted');
    await connection.call('CLIENT', 'ID');
    await connection.call('HELLO', 3);
    const all = (await connection.call('LATENCY', 'HISTOGRAM', 'set', 'get', 'client')) as Record<
      string,
      { calls: number; histogram_usec: Record<string, number> }
    >;
    for (const name of ['set', 'get', 'client|id']) {
      const { calls, histogram_usec: buckets } = all[name]!;
      assert.equal(Math.max(...Object.values(buckets)), calls, name);
    }
    connection.close();
  });

  it('SLOWLOG follows CONFIG SET at once, with the arguments of each command', async () => {
    const connection = await connect();
    const logged = async (): Promise<string[]> => {
      const entries = (await connection.call('SLOWLOG', 'GET', -1)) as [0, 0, 0, string[]][];
      return entries.map(([, , , args]) => args.join(' '));
    };
    await connection.call('SLOWLOG', 'RESET');
    await connection.call('SET', 'slow', '0');
    assert.deepEqual(await logged(), []);
    await connection.call('CONFIG', 'SET', 'slowlog-log-slower-than', 0);
    // In one entry: each has its own arguments.
    await connection.pipeline([
      ['SET', 'slow', '1'],
      ...[['MULTI'], ['SET', 'slow', '2'], ['EXEC']],
      ['APPEND', 'slow', '3'],
      ['GET', 'slow'],
      ['MEMORY', 'USAGE', 'slow'],
      ['PING'],
    ]);
    await connection.call('CONFIG', 'SET', 'slowlog-log-slower-than', -1);
    assert.deepEqual(
      (await logged()).toSorted(),
      [
        ...['APPEND slow 3', 'CONFIG SET slowlog-log-slower-than 0', 'GET slow', 'MULTI', 'PING'],
        ...['SET slow 1', 'memory USAGE slow'],
      ].toSorted(),
    );
    await connection.call('CONFIG', 'SET', 'slowlog-max-len', 1);
    await connection.call('CONFIG', 'SET', 'slowlog-log-slower-than', 0);
    await connection.call('PING');
    assert.deepEqual(await logged(), ['PING']);
    for (const [name, value] of [
      ['slowlog-log-slower-than', 10_000],
      ['slowlog-max-len', 128],
    ]) {
      await connection.call('CONFIG', 'SET', name!, value!);
    }
    connection.close();
  });

  it('CONFIG RESETSTAT clears counts and times, and INFO shows them', async () => {
    const connection = await connect();
    await connection.call('CONFIG', 'RESETSTAT');
    await connection.call('SET', 'counted', '1');
    const info = await leader.info('everything');
    assert.match(info.get('cmdstat_set')!, /^calls=1,usec=\d+,/);
    assert.match(info.get('latency_percentiles_usec_set')!, /^p50=[\d.]+,p99=[\d.]+,p99\.9=/);
    assert.equal(info.has('cmdstat_get'), false);
    assert.equal(info.has('latency_percentiles_usec_get'), false);
    connection.close();
  });

  it('LATENCY follows CONFIG SET at once', async () => {
    const connection = await connect();
    await connection.call('CONFIG', 'SET', 'latency-monitor-threshold', 1);
    assert.match(
      (await connection.call('LATENCY', 'DOCTOR')) as string,
      /^(Dave|\S+: \d+ latency)/,
    );
    await connection.call('CONFIG', 'SET', 'latency-monitor-threshold', 0);
    // Meanwhile a write to the log may have taken long, too.
    await connection.call('LATENCY', 'RESET');
    assert.match((await connection.call('LATENCY', 'DOCTOR')) as string, /^I'm sorry, Dave/);
    connection.close();
  });

  it('MEMORY USAGE grows with the value, and is asked where the key is', async () => {
    const connection = await connect();
    await connection.call('SET', 'sized', 'x');
    const small = (await connection.call('MEMORY', 'USAGE', 'sized')) as number;
    await connection.call('SET', 'sized', 'x'.repeat(1001));
    assert.equal(await connection.call('MEMORY', 'USAGE', 'sized', 'SAMPLES', 0), small + 1000);
    assert.match((await follower.call('MEMORY', 'USAGE', 'sized')) as string, /^-MOVED /);
    connection.close();
  });

  it('what is not there says so in a sentence', async () => {
    const connection = await connect();
    for (const [line, expected] of [
      ['REPLICAOF NO ONE', /^-ERR REPLICAOF is not supported: /],
      ['SHUTDOWN', /^-ERR SHUTDOWN is not supported: .*SIGTERM$/],
      ['MODULE LOAD /x', /^-ERR MODULE LOAD is not supported: /],
      ['ACL SETUSER bob', /^-ERR ACL SETUSER is not supported: /],
      ['CLIENT TRACKING ON', /^-ERR CLIENT TRACKING is not supported yet: /],
      ['CLIENT MAINT_NOTIFICATIONS ON', /^-ERR unknown subcommand 'MAINT_NOTIFICATIONS'/],
    ] as const) {
      assert.match((await connection.call(...line.split(' '))) as string, expected);
    }
    assert.equal(await connection.call('BGSAVE'), 'Background saving started');
    assert.equal(typeof (await connection.call('LASTSAVE')), 'number');
    connection.close();
  });
});

/** Bytes as they come: each command is followed by an ECHO that marks where its answer ends. */
class RawConnection {
  readonly #socket: net.Socket;
  #received = '';
  #onData: () => void = () => {};

  static open(port: number): Promise<RawConnection> {
    return new Promise((resolve, reject) => {
      const socket = net.connect({ port, host: '127.0.0.1', noDelay: true });
      socket.once('error', reject);
      socket.once('connect', () => resolve(new RawConnection(socket)));
    });
  }

  private constructor(socket: net.Socket) {
    this.#socket = socket;
    socket.on('data', (chunk) => {
      this.#received += chunk.toString('latin1');
      this.#onData();
    });
  }

  ask(args: readonly string[]): Promise<string> {
    this.#received = '';
    this.#socket.write(Buffer.concat([encodeRequest(args), encodeRequest(['ECHO', endMark])]));
    return new Promise((resolve) => {
      this.#onData = () => {
        const suffix = `$${endMark.length}\r\n${endMark}\r\n`;
        if (this.#received.endsWith(suffix)) resolve(this.#received.slice(0, -suffix.length));
      };
    });
  }

  close(): void {
    this.#socket.destroy();
  }
}

const endMark = 'end-of-the-answer';

function sorted(answer: string): string {
  return answer.split('\r\n').sort().join('\r\n');
}

async function freePort(): Promise<number> {
  const probe = net.createServer();
  await new Promise<void>((resolve) => probe.listen(0, '127.0.0.1', resolve));
  const { port } = probe.address() as net.AddressInfo;
  await new Promise((resolve) => probe.close(resolve));
  return port;
}
