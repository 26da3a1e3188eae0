// The connection: greeting, databases, names, what is known of commands, and what is refused.

import {
  between,
  type ConformanceCase,
  error,
  notAnInteger,
  ok,
  other,
  simple,
  syntaxError,
  textMatching,
  wrongArity,
} from '../conformance-case.js';

const badName = error('ERR Client names cannot contain spaces, newlines or special characters.');
const wrongPass = error('WRONGPASS invalid username-password pair or user is disabled.');
const noProto = error('NOPROTO unsupported protocol version');

export const connectionCases: readonly ConformanceCase[] = [
  {
    name: 'PING: PONG, or the text',
    steps: [
      ['PING', simple('PONG')],
      ['ping hello', 'hello'],
      ['PING ""', ''],
      ['PING a b', wrongArity('ping')],
    ],
  },
  {
    name: 'ECHO: the same bytes',
    steps: [
      [['ECHO', '\0\xff\r\n'], '\0\xff\r\n'],
      ['ECHO ""', ''],
      ['ECHO', wrongArity('echo')],
      ['ECHO a b', wrongArity('echo')],
    ],
  },
  {
    name: 'SELECT: 0 to 15, each with keys of its own',
    steps: [
      ['SET k zero', ok],
      ['SELECT 15', ok],
      ['GET k', null],
      ['SET k fifteen', ok],
      ['SELECT 0', ok],
      ['GET k', 'zero'],
      ['SELECT 16', error('ERR DB index is out of range')],
      ['SELECT -1', error('ERR DB index is out of range')],
      ['SELECT one', notAnInteger],
      ['SELECT', wrongArity('select')],
      ['GET k', 'zero'],
    ],
  },
  {
    name: 'SELECT: the database of one connection alone',
    steps: [
      ['SELECT 3', ok],
      ['SET k three', ok],
      [other('GET k'), null],
      ['GET k', 'three'],
    ],
  },
  {
    name: 'AUTH: there is no password',
    steps: [
      [
        'AUTH secret',
        error(
          'ERR AUTH <password> called without any password configured for the default user. Are you sure your configuration is correct?',
        ),
      ],
      ['AUTH default anything', ok],
      ['AUTH nobody anything', wrongPass],
      ['AUTH', wrongArity('auth')],
      ['AUTH a b c', syntaxError],
    ],
  },
  {
    name: 'HELLO: who answers, in RESP2 a flat list',
    steps: [
      ['HELLO 2', helloOf(2)],
      ['HELLO', helloOf(2)],
      ['HELLO 2 SETNAME guest', helloOf(2)],
      ['CLIENT GETNAME', 'guest'],
      ['HELLO 2 AUTH default anything', helloOf(2)],
    ],
  },
  {
    name: 'HELLO: refusals',
    steps: [
      ['HELLO 1', noProto],
      ['HELLO 4', noProto],
      ['HELLO three', error('ERR Protocol version is not an integer or out of range')],
      ['HELLO 2 NOPE', error("ERR Syntax error in HELLO option 'NOPE'")],
      ['HELLO 2 AUTH default', error("ERR Syntax error in HELLO option 'AUTH'")],
      ['HELLO 2 SETNAME', error("ERR Syntax error in HELLO option 'SETNAME'")],
      ['HELLO 2 AUTH nobody anything', wrongPass],
      ['HELLO 2 SETNAME "a b"', badName],
      ['CLIENT GETNAME', null],
    ],
  },
  {
    name: 'RESET: database, name and transaction are gone',
    steps: [
      ['SELECT 5', ok],
      ['CLIENT SETNAME guest', ok],
      ['RESET', simple('RESET')],
      ['CLIENT GETNAME', null],
      ['SET k v', ok],
      [other('GET k'), 'v'],
      ['RESET x', wrongArity('reset')],
    ],
  },
  {
    name: 'QUIT: OK, and the end',
    steps: [['QUIT', ok]],
  },
  // -------------------------------------------------------------------------------------- CLIENT
  {
    name: 'CLIENT SETNAME and GETNAME',
    steps: [
      ['CLIENT GETNAME', null],
      ['CLIENT SETNAME guest', ok],
      ['CLIENT GETNAME', 'guest'],
      ['CLIENT SETNAME "two words"', badName],
      [['CLIENT', 'SETNAME', 'line\nend'], badName],
      ['CLIENT GETNAME', 'guest'],
      ['CLIENT SETNAME ""', ok],
      ['CLIENT GETNAME', null],
      ['CLIENT SETNAME', wrongArity('client|setname')],
    ],
  },
  {
    name: 'CLIENT ID: a number of its own',
    steps: [
      ['CLIENT ID', between(1, 1e15)],
      [other('CLIENT ID'), between(1, 1e15)],
      ['CLIENT ID x', wrongArity('client|id')],
    ],
  },
  {
    name: 'CLIENT INFO and LIST: a line for each connection',
    steps: [
      ['CLIENT SETNAME guest', ok],
      ['SELECT 2', ok],
      [
        'CLIENT INFO',
        textMatching(
          /^id=\d+ addr=127\.0\.0\.1:\d+ .* name=guest .* db=2 .* cmd=client\|info .*\n$/,
        ),
      ],
      [other('CLIENT LIST'), textMatching(/name=guest /)],
      ['CLIENT LIST TYPE normal', textMatching(/name=guest /)],
      ['CLIENT LIST TYPE nope', error("ERR Unknown client type 'nope'")],
      ['CLIENT LIST NOPE', syntaxError],
      ['CLIENT LIST ID one', error('ERR Invalid client ID')],
    ],
  },
  {
    name: 'CLIENT SETINFO: the library and its version',
    since: '7.2',
    steps: [
      ['CLIENT SETINFO LIB-NAME ours', ok],
      ['CLIENT SETINFO lib-ver 1.2.3', ok],
      ['CLIENT INFO', textMatching(/ lib-name=ours lib-ver=1\.2\.3\n$/)],
      ['CLIENT SETINFO NOPE x', error("ERR Unrecognized option 'NOPE'")],
      [
        'CLIENT SETINFO LIB-NAME "a b"',
        error('ERR lib-name cannot contain spaces, newlines or special characters.'),
      ],
    ],
  },
  {
    name: 'CLIENT NO-EVICT: on or off',
    steps: [
      ['CLIENT NO-EVICT on', ok],
      ['CLIENT NO-EVICT OFF', ok],
      ['CLIENT NO-EVICT maybe', syntaxError],
    ],
  },
  {
    name: 'CLIENT NO-TOUCH: on or off',
    since: '7.2',
    steps: [
      ['CLIENT NO-TOUCH on', ok],
      ['CLIENT NO-TOUCH OFF', ok],
      ['CLIENT NO-TOUCH maybe', syntaxError],
    ],
  },
  {
    name: 'CLIENT REPLY: ON, and a word that is none',
    steps: [
      ['CLIENT REPLY ON', ok],
      ['CLIENT REPLY maybe', syntaxError],
    ],
  },
  {
    name: 'CLIENT KILL: another connection, by its name for the address, or nobody',
    steps: [
      ['CLIENT KILL 127.0.0.1:1', error('ERR No such client')],
      ['CLIENT KILL ADDR 127.0.0.1:1', 0],
      ['CLIENT KILL ID 999999999', 0],
      ['CLIENT KILL ID one', error('ERR client-id should be greater than 0')],
      ['CLIENT KILL TYPE nope', error("ERR Unknown client type 'nope'")],
      ['CLIENT KILL SKIPME maybe', syntaxError],
      ['CLIENT KILL NOPE 1', syntaxError],
    ],
  },
  {
    name: 'CLIENT PAUSE and UNPAUSE',
    steps: [
      ['CLIENT PAUSE 1 WRITE', ok],
      ['CLIENT UNPAUSE', ok],
      ['CLIENT PAUSE 1 NOPE', error('ERR CLIENT PAUSE mode must be WRITE or ALL')],
      ['CLIENT PAUSE soon', error('ERR timeout is not an integer or out of range')],
      ['CLIENT PAUSE -1', error('ERR timeout is negative')],
    ],
  },
  {
    name: 'CLIENT UNBLOCK: who does not wait',
    steps: [
      ['CLIENT UNBLOCK 999999999', 0],
      ['CLIENT UNBLOCK 999999999 ERROR', 0],
      ['CLIENT UNBLOCK one', notAnInteger],
      ['CLIENT UNBLOCK 1 NOPE', error('ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR')],
    ],
  },
  {
    name: 'CLIENT: unknown and missing subcommands',
    steps: [
      ['CLIENT NOPE', error("ERR unknown subcommand 'NOPE'. Try CLIENT HELP.")],
      ['CLIENT', wrongArity('client')],
    ],
  },
  // ------------------------------------------------------------------------------------- COMMAND
  {
    name: 'COMMAND COUNT, INFO, GETKEYS, GETKEYSANDFLAGS',
    steps: [
      ['COMMAND COUNT', between(1, 10_000)],
      ['COMMAND INFO nosuch', [null]],
      ['COMMAND GETKEYS GET k', ['k']],
      ['COMMAND GETKEYS MSET {m}a 1 {m}b 2', ['{m}a', '{m}b']],
      ['COMMAND GETKEYS PING text', error('ERR The command has no key arguments')],
      ['COMMAND GETKEYS NOSUCH x', error('ERR Invalid command specified')],
      ['COMMAND GETKEYS GET a b', error('ERR Invalid number of arguments specified for command')],
      ['COMMAND GETKEYSANDFLAGS GET k', [['k', [simple('RO'), simple('access')]]]],
      ['COMMAND NOPE', error("ERR unknown subcommand 'NOPE'. Try COMMAND HELP.")],
    ],
  },
  // ------------------------------------------------------------------------ what is refused at all
  {
    name: 'Unknown commands: named, with the first of what was sent along',
    steps: [
      ['NOSUCH', error("ERR unknown command 'NOSUCH', with args beginning with: ")],
      [
        'nosuch one "two words"',
        error("ERR unknown command 'nosuch', with args beginning with: 'one' 'two words' "),
      ],
      [
        'SENTINEL masters',
        error("ERR unknown command 'SENTINEL', with args beginning with: 'masters' "),
      ],
      [['NO\r\nSUCH'], error("ERR unknown command 'NO  SUCH', with args beginning with: ")],
      ['PING', simple('PONG')],
    ],
  },
  {
    name: 'TIME: seconds and microseconds',
    steps: [
      ['TIME', [textMatching(/^\d{10}$/), textMatching(/^\d{1,6}$/)]],
      ['TIME x', wrongArity('time')],
    ],
  },
];

/** The fields of HELLO; version, id, mode and role are the server's own. */
function helloOf(protocol: number) {
  return [
    ...['server', 'redis'],
    ...['version', textMatching(/^7\.\d+\.\d+$/)],
    ...['proto', protocol],
    ...['id', between(1, 1e15)],
    ...['mode', textMatching(/^(standalone|cluster)$/)],
    ...['role', 'master'],
    ...['modules', []],
  ];
}
