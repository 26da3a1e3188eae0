import assert from 'node:assert/strict';
import {
  fieldOf,
  type OptionRow,
  optionRows,
  parseOption,
  rangeText,
  variableOf,
} from '../../src/options.js';

const row = (name: string): OptionRow => optionRows.get(name)!;

describe('Option table', () => {
  it('names are kebab-case and translate to fields and variables', () => {
    for (const name of optionRows.keys()) assert.match(name, /^[a-z]+(-[a-z]+)*$/);
    assert.equal(variableOf('election-timeout-ms'), 'HOLT_ELECTION_TIMEOUT_MS');
    assert.equal(fieldOf('election-timeout-ms'), 'electionTimeoutMs');
  });

  it('every default is a value that the option may have', () => {
    for (const [name, option] of optionRows) {
      assert.equal(parseOption(option, String(option.default)), option.default, name);
    }
  });

  it('every bound is allowed, and one beyond it refused with the range', () => {
    for (const [name, option] of optionRows) {
      const { min, max } = option;
      if (min === undefined || max === undefined) continue;
      assert.equal(parseOption(option, String(min)), min, name);
      assert.equal(parseOption(option, String(max)), max, name);
      const range = `argument must be between ${min} and ${max} inclusive`;
      // A size cannot be negative; its text is then no size at all.
      if (min > 0) assert.throws(() => parseOption(option, String(min - 1)), { message: range });
      assert.throws(() => parseOption(option, `${BigInt(max) + 2n}`), { message: range });
    }
  });

  it('integers are whole and plain', () => {
    for (const text of ['', ' 1', '1 ', '1.5', '1mb', '0x10', '+1', '01', 'ten', '-0']) {
      assert.throws(() => parseOption(row('timeout'), text), {
        message: "argument couldn't be parsed into an integer",
      });
    }
    assert.equal(parseOption(row('slowlog-log-slower-than'), '-1'), -1);
  });

  it('sizes take the units of redis.conf', () => {
    const cache = row('sqlite-cache-size');
    assert.equal(parseOption(cache, '2mb'), 2 * 1024 * 1024);
    assert.equal(parseOption(cache, '2M'), 2_000_000);
    assert.equal(parseOption(cache, '1gb'), 1024 ** 3);
    assert.equal(parseOption(cache, '4096kb'), 4 * 1024 * 1024);
    assert.equal(parseOption(cache, '3000000b'), 3_000_000);
    for (const text of ['', 'mb', '1xb', '-1mb', '1.5mb', '1 mb']) {
      assert.throws(() => parseOption(cache, text), { message: 'argument must be a memory value' });
    }
  });

  it('choices are taken in any case', () => {
    assert.equal(parseOption(row('log-level'), 'WARN'), 'warn');
    assert.throws(() => parseOption(row('log-level'), 'verbose'), {
      message: 'argument(s) must be one of the following: debug, info, warn, error',
    });
  });

  it('ranges read as sentences', () => {
    assert.equal(rangeText(row('maxclients')), 'an integer from 1 to 1000000');
    assert.equal(rangeText(row('log-level')), 'one of debug, info, warn, error');
    assert.equal(rangeText(row('bind')), 'a text');
    assert.match(rangeText(row('sqlite-cache-size')), /^a size from 1048576 to \d+ bytes$/);
  });
});
