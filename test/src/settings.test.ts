// CONFIG GET and SET, with the texts of Redis 7.

import assert from 'node:assert/strict';
import { optionRows } from '../../src/options.js';
import { type SettingCheck, Settings } from '../../src/settings.js';
import { defaultOptions } from './default-options.js';

function settings(check?: SettingCheck): Settings {
  return new Settings(defaultOptions, check);
}

function got(patterns: readonly string[], from = settings()): Record<string, string> {
  return Object.fromEntries(from.get(patterns, 7001));
}

describe('Settings', () => {
  it('show options and the parameters of Redis that tools ask for', () => {
    assert.deepEqual(got(['maxclients', 'save', 'appendonly', 'port', 'nosuch']), {
      maxclients: '12000',
      save: '',
      appendonly: 'yes',
      port: '7001',
    });
  });

  it('match patterns, each name once, and keep the case of a name that was asked for', () => {
    assert.deepEqual(got(['slowlog-*', '*LOWLOG-MAX-LEN']), {
      'slowlog-log-slower-than': '10000',
      'slowlog-max-len': '128',
    });
    assert.deepEqual(got(['TimeOut', 'timeout', 't[i]meout']), { TimeOut: '0' });
    const all = got(['*']);
    for (const [name, { isHidden }] of optionRows) {
      assert.equal(Object.hasOwn(all, name), isHidden !== true, name);
    }
  });

  it('are changed all together, and every change is told', () => {
    const changes: unknown[] = [];
    const changed = new Settings(defaultOptions, undefined, (change) => changes.push(change));
    assert.equal(changed.set(['TIMEOUT', '5', 'slowlog-max-len', '7']), undefined);
    assert.deepEqual([changed.values.timeout, changed.values.slowlogMaxLen], [5, 7]);
    assert.deepEqual(got(['timeout'], changed), { timeout: '5' });
    assert.deepEqual(changes, [{ timeout: 5, slowlogMaxLen: 7 }]);
    assert.equal(defaultOptions.timeout, 0);
  });

  it('are refused with the texts of Redis, and then none is changed', () => {
    const failed = (name: string, reason: string) =>
      `ERR CONFIG SET failed (possibly related to argument '${name}') - ${reason}`;
    const unknown = (name: string) =>
      `ERR Unknown option or number of arguments for CONFIG SET - '${name}'`;
    const cases: [string[], string][] = [
      [['foo', 'bar'], unknown('foo')],
      [['timeout', '5', 'Foo', '1'], unknown('Foo')],
      [['bus-secret', 'x'], unknown('bus-secret')],
      [['dir', '/tmp'], failed('dir', "can't set immutable config")],
      [['databases', '3'], failed('databases', "can't set immutable config")],
      [['timeout', 'x', 'databases', '6'], failed('databases', "can't set immutable config")],
      [['timeout', '5', 'timeout', '6'], failed('timeout', 'duplicate parameter')],
      [
        ['timeout', '5', 'maxclients', 'abc'],
        failed('maxclients', "argument couldn't be parsed into an integer"),
      ],
      [['timeout', '-1'], failed('timeout', 'argument must be between 0 and 2147483647 inclusive')],
      [
        ['log-level', 'loud'],
        failed('log-level', 'argument(s) must be one of the following: debug, info, warn, error'),
      ],
    ];
    for (const [words, text] of cases) {
      const refusing = settings();
      assert.equal(refusing.set(words)?.text, text);
      assert.deepEqual(refusing.values, defaultOptions);
    }
  });

  it('a change that this server must not have is refused', () => {
    const refusing = settings(({ requirepass }) =>
      requirepass === '' ? { option: 'requirepass', reason: 'needs a password' } : undefined,
    );
    assert.equal(
      refusing.set(['timeout', '5', 'requirepass', ''])?.text,
      "ERR CONFIG SET failed (possibly related to argument 'requirepass') - needs a password",
    );
    assert.equal(refusing.values.timeout, 0);
    assert.equal(refusing.set(['requirepass', 'secret']), undefined);
  });
});
