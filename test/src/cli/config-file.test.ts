import assert from 'node:assert/strict';
import { parseConfig, readConfigFile } from '../../../src/cli/config-file.js';

function parsed(text: string): Record<string, string> {
  return Object.fromEntries(parseConfig(text, 'holt.conf'));
}

describe('Config file', () => {
  it('has an option a line, comments and blank lines', () => {
    const text = '# who\n\n  bind   10.0.0.1  \r\n\t# and how\nMaxClients 5';
    assert.deepEqual(parsed(text), { bind: '10.0.0.1', maxclients: '5' });
  });

  it('takes quotes as redis.conf does', () => {
    assert.deepEqual(parsed('requirepass "a b\\x21 # \\"c"'), { requirepass: 'a b! # "c' });
    assert.deepEqual(parsed("requirepass 'it\\'s'"), { requirepass: "it's" });
    assert.deepEqual(parsed('requirepass ""'), { requirepass: '' });
    assert.deepEqual(parsed('requirepass "größer"'), { requirepass: 'größer' });
  });

  it('takes several addresses without quotes', () => {
    assert.deepEqual(parsed('bind 127.0.0.1  -::1'), { bind: '127.0.0.1 -::1' });
    assert.deepEqual(parsed('bind "127.0.0.1 -::1"'), { bind: '127.0.0.1 -::1' });
  });

  it('the last of two lines counts', () => {
    assert.deepEqual(parsed('timeout 1\ntimeout 2\n'), { timeout: '2' });
  });

  it('refuses what it does not know, with file and line', () => {
    const cases: [string, string][] = [
      ['timeout 1\nfoo bar\n', 'holt.conf:2: there is no option "foo"'],
      ['config other.conf', 'holt.conf:1: there is no option "config"'],
      ['save 900 1', 'holt.conf:1: there is no option "save"'],
      ['timeout', 'holt.conf:1: expected `timeout value`, quoted if it has blanks'],
      ['requirepass a b', 'holt.conf:1: expected `requirepass value`, quoted if it has blanks'],
      ['timeout 1 # second', 'holt.conf:1: expected `timeout value`, quoted if it has blanks'],
      ['\nrequirepass "a b', 'holt.conf:2: unbalanced quotes'],
    ];
    for (const [text, message] of cases) {
      assert.throws(() => parsed(text), { name: 'DirectoryError', message });
    }
  });

  it('a file that cannot be read is named', () => {
    assert.throws(() => readConfigFile('/nonexistent/holt.conf'), {
      message: /^Cannot read the config file "\/nonexistent\/holt.conf": ENOENT/,
    });
  });
});
