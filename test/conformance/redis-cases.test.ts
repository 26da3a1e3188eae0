// Our own cases: what Redis 7.2 answers to every option and error of the commands that Holt has.
//
// Each case first runs against a real redis-server (Debian's 7.0), so that an expectation that
// nobody's Redis meets cannot stand here; only what is new in 7.2 goes to Holt alone. Keys of one
// command carry a hash tag, as a cluster wants it.

import { ClusterUnderTest, type ServerUnderTest } from '../interop/cluster-under-test.js';
import { connectionCases } from './cases/connection.js';
import { expiryCases } from './cases/expiry.js';
import { keyCases } from './cases/keys.js';
import { stringCases } from './cases/strings.js';
import { transactionCases } from './cases/transactions.js';
import { Oracle } from './oracle.js';
import { runCase } from './run-case.js';

const families = {
  strings: stringCases,
  keys: keyCases,
  expiry: expiryCases,
  transactions: transactionCases,
  connection: connectionCases,
};

describe('Redis and Holt answer as written', function () {
  this.timeout(10_000);

  let oracle: Oracle;
  let cluster: ClusterUnderTest;
  let leader: ServerUnderTest;

  before(async function () {
    this.timeout(60_000);
    oracle = await Oracle.start();
    cluster = await ClusterUnderTest.start();
    leader = await cluster.leader();
  });
  after(() => {
    oracle?.stop();
    cluster?.dispose();
  });

  for (const [family, cases] of Object.entries(families)) {
    describe(family, () => {
      for (const each of cases) {
        it(each.name, async () => {
          if (each.since === undefined) await runCase(() => oracle.connect(), each);
          await runCase(() => leader.connect(), each);
        });
      }
    });
  }
});
