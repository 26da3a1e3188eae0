import assert from 'node:assert/strict';
import { serverOptionTable, variableOf, withVariables } from '../../src/options.js';

describe('withVariables', () => {
  it('takes an option from its variable', () => {
    assert.equal(variableOf('election-timeout-ms'), 'HOLT_ELECTION_TIMEOUT_MS');
    const table = withVariables(serverOptionTable, {
      HOLT_ELECTION_TIMEOUT_MS: '2000',
      HOLT_BIND: '127.0.0.2',
    });
    assert.equal(table['election-timeout-ms']?.default, 2000);
    assert.equal(table.bind?.default, '127.0.0.2');
    assert.equal(table.maxclients?.default, serverOptionTable.maxclients.default);
  });

  it('no longer demands what a variable gives', () => {
    assert.equal(withVariables(serverOptionTable, {}).dir?.demandOption, true);
    assert.equal(withVariables(serverOptionTable, { HOLT_DIR: 'd' }).dir?.demandOption, undefined);
  });

  it('leaves other variables alone', () => {
    const table = withVariables(serverOptionTable, { HOLT_REQUIREPASS: 'secret' });
    assert.deepEqual(Object.keys(table), Object.keys(serverOptionTable));
  });
});
