import assert from 'node:assert/strict';
import { parseAddress, parseServerAddress } from '../../src/address.js';

describe('Addresses', () => {
  it('are host:port', () => {
    assert.deepEqual(parseAddress('10.0.0.1:7001'), { host: '10.0.0.1', port: 7001 });
    assert.deepEqual(parseAddress('::1:65535'), { host: '::1', port: 65_535 });
    for (const text of ['', '7001', 'host', ':7001', 'host:', 'host:0', 'host:65536', 'host:1e3']) {
      assert.equal(parseAddress(text), undefined, text);
    }
  });

  it('of servers leave room for the ports above them', () => {
    assert.deepEqual(parseServerAddress('h:55000'), { host: 'h', basePort: 55_000 });
    for (const text of ['h:55001', 'h', 'h:0']) {
      assert.throws(() => parseServerAddress(text), {
        name: 'DirectoryError',
        message: `Cannot read "${text}": expected host:port with a port up to 55000`,
      });
    }
  });
});
