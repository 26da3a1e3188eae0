// The arguments of the server commands: the values of Redis 7.2, and MAXAGE of a later one. A command
// without any is not here.

import {
  type Argument,
  block,
  integer,
  key,
  multiple,
  oneOf,
  optional,
  optionalMultiple,
  pattern,
  string,
  token,
} from './argument.js';

const onOrOff: readonly Argument[] = [token('ON'), token('OFF')];
const yesOrNo: readonly Argument[] = [token('YES'), token('NO')];
const wholeCommand: readonly Argument[] = [string('command'), string('arg', optionalMultiple)];

/** By name; `container|subcommand` of a subcommand. */
export const serverArguments: Readonly<Record<string, readonly Argument[]>> = {
  'acl|cat': [string('category', optional)],
  'acl|getuser': [string('username')],
  auth: [string('username', { since: '6.0.0', ...optional }), string('password')],
  bgsave: [token('SCHEDULE', { since: '3.2.2', ...optional })],
  'client|caching': [oneOf('mode', yesOrNo)],
  'client|kill': [
    oneOf('filter', [
      string('old-format', { displayText: 'ip:port', deprecatedSince: '2.8.12' }),
      oneOf(
        'new-format',
        [
          integer('client-id', { token: 'ID', since: '2.8.12', ...optional }),
          oneOf(
            'client-type',
            [
              token('NORMAL'),
              token('MASTER', { since: '3.2.0' }),
              token('SLAVE'),
              token('REPLICA', { since: '5.0.0' }),
              token('PUBSUB'),
            ],
            { token: 'TYPE', since: '2.8.12', ...optional },
          ),
          string('username', { token: 'USER', ...optional }),
          string('addr', { displayText: 'ip:port', token: 'ADDR', ...optional }),
          string('laddr', {
            displayText: 'ip:port',
            token: 'LADDR',
            since: '6.2.0',
            ...optional,
          }),
          oneOf('skipme', yesOrNo, { token: 'SKIPME', ...optional }),
          integer('maxage', { token: 'MAXAGE', since: '7.4.0', ...optional }),
        ],
        multiple,
      ),
    ]),
  ],
  'client|list': [
    oneOf('client-type', [token('NORMAL'), token('MASTER'), token('REPLICA'), token('PUBSUB')], {
      token: 'TYPE',
      since: '5.0.0',
      ...optional,
    }),
    integer('client-id', { token: 'ID', since: '6.2.0', ...optionalMultiple }),
  ],
  'client|no-evict': [oneOf('enabled', onOrOff)],
  'client|no-touch': [oneOf('enabled', onOrOff)],
  'client|pause': [
    integer('timeout'),
    oneOf('mode', [token('WRITE'), token('ALL')], { since: '6.2.0', ...optional }),
  ],
  'client|reply': [oneOf('action', [...onOrOff, token('SKIP')])],
  'client|setinfo': [
    oneOf('attr', [
      string('libname', { token: 'LIB-NAME' }),
      string('libver', { token: 'LIB-VER' }),
    ]),
  ],
  'client|setname': [string('connection-name')],
  'client|tracking': [
    oneOf('status', onOrOff),
    integer('client-id', { token: 'REDIRECT', ...optional }),
    string('prefix', { token: 'PREFIX', flags: ['optional', 'multiple', 'multiple_token'] }),
    token('BCAST', optional),
    token('OPTIN', optional),
    token('OPTOUT', optional),
    token('NOLOOP', optional),
  ],
  'client|unblock': [
    integer('client-id'),
    oneOf('unblock-type', [token('TIMEOUT'), token('ERROR')], optional),
  ],
  'cluster|countkeysinslot': [integer('slot')],
  'cluster|getkeysinslot': [integer('slot'), integer('count')],
  'cluster|keyslot': [string('key')],
  'cluster|replicas': [string('node-id')],
  'cluster|slaves': [string('node-id')],
  'command|docs': [string('command-name', optionalMultiple)],
  'command|getkeys': wholeCommand,
  'command|getkeysandflags': wholeCommand,
  'command|info': [string('command-name', optionalMultiple)],
  'command|list': [
    oneOf(
      'filterby',
      [
        string('module-name', { token: 'MODULE' }),
        string('category', { token: 'ACLCAT' }),
        pattern('pattern', { token: 'PATTERN' }),
      ],
      { token: 'FILTERBY', ...optional },
    ),
  ],
  'config|get': [string('parameter', multiple)],
  'config|set': [block('data', [string('parameter'), string('value')], multiple)],
  echo: [string('message')],
  hello: [
    block(
      'arguments',
      [
        integer('protover'),
        block('auth', [string('username'), string('password')], { token: 'AUTH', ...optional }),
        string('clientname', { token: 'SETNAME', ...optional }),
      ],
      optional,
    ),
  ],
  info: [string('section', optionalMultiple)],
  'latency|graph': [string('event')],
  'latency|histogram': [string('command', optionalMultiple)],
  'latency|history': [string('event')],
  'latency|reset': [string('event', optionalMultiple)],
  ping: [string('message', optional)],
  select: [integer('index')],
  'slowlog|get': [integer('count', optional)],
  wait: [integer('numreplicas'), integer('timeout')],
  waitaof: [integer('numlocal'), integer('numreplicas'), integer('timeout')],
  watch: [key('key', multiple)],
};
