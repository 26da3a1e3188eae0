// The third-party compatibility suite, in the variant for clusters, at the leader's port in RESP2.
//
// Only cases of the commands listed below run. A listed command that Holt does not have is a
// failure, not a case that is left out: the list says what Holt promises, and only grows.

import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { ClusterUnderTest, type ServerUnderTest } from '../interop/cluster-under-test.js';
import { type Answer, ErrorAnswer } from '../interop/resp-connection.js';
import { readSuite, type SuiteReply } from './compatibility-suite.js';

const strings =
  'append decr decrby get getdel getex getrange getset incr incrby incrbyfloat lcs mget mset ' +
  'msetnx psetex set setex setnx setrange strlen substr';
const keys =
  'copy del exists keys move object randomkey rename renamenx scan touch type unlink ' +
  'dbsize flushall flushdb';
const expiry = 'expire expireat expiretime persist pexpire pexpireat pexpiretime pttl ttl';
const transactions = 'multi exec discard watch unwatch';
const connection = 'auth client echo hello ping quit reset select';

const promised = new Set(
  [strings, keys, expiry, transactions, connection].flatMap((family) => family.split(' ')),
);

/** Cases of promised commands that Holt does not pass, by position, each with the reason. */
const exceptions: ReadonlyMap<number, string> = new Map([
  [32, 'SCAN with TYPE: it makes its sorted set by GEOADD, of a family that is not there yet'],
  [33, 'KEYS: its MSET has keys of several slots, which every cluster answers CROSSSLOT'],
]);

describe('Compatibility suite', function () {
  this.timeout(10_000);

  const path = process.env.HOLT_CTS;
  if (path === undefined || path === '') {
    it('has its file', () => {
      assert.fail(
        'Set HOLT_CTS to the path of cts.json, the data file of ' +
          'tair-opensource/compatibility-test-suite-for-redis; it is not part of this repository',
      );
    });
    return;
  }

  let cluster: ClusterUnderTest;
  let leader: ServerUnderTest;

  before(async function () {
    this.timeout(60_000);
    cluster = await ClusterUnderTest.start();
    leader = await cluster.leader();
  });
  after(() => cluster?.dispose());

  it('is about commands that COMMAND LIST has', async () => {
    const known = new Set((await leader.call('COMMAND', 'LIST')) as string[]);
    assert.deepEqual(
      [...promised].filter((name) => !known.has(name)),
      [],
      'promised and missing',
    );
  });

  const cases = readSuite(path, promised);
  for (const { name, position, commands, replies, isSorted } of cases) {
    if (exceptions.has(position)) continue;
    it(`${name} (#${position})`, async () => {
      const client = await leader.connect();
      try {
        assert.equal(await client.call('FLUSHALL'), 'OK');
        for (const [at, args] of commands.entries()) {
          const bytes = args.map((arg) => Buffer.from(arg));
          const answer = comparable(await client.callBytes(...bytes));
          const [actual, expected] = [answer, replies[at]!].map((reply) =>
            isSorted ? sorted(reply) : reply,
          );
          assert.deepEqual(actual, expected, args.join(' '));
        }
      } finally {
        client.close();
      }
    });
  }
});

/** As the suite writes it. It expects no error anywhere, so an error is a failure. */
function comparable(answer: Answer): SuiteReply {
  if (answer instanceof ErrorAnswer) throw new Error(answer.text);
  if (Buffer.isBuffer(answer)) return answer.toString();
  return Array.isArray(answer) ? answer.map(comparable) : (answer as string | number | null);
}

function sorted(reply: SuiteReply): SuiteReply {
  if (!Array.isArray(reply)) return reply;
  const isInnermost = !reply.some((each) => Array.isArray(each));
  return isInnermost ? reply.toSorted() : reply.map(sorted);
}
