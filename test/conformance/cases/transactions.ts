// Transactions: MULTI, EXEC, DISCARD, WATCH and UNWATCH.

import {
  between,
  type ConformanceCase,
  error,
  notAnInteger,
  ok,
  other,
  queued,
  simple,
  syntaxError,
  wait,
  wrongArity,
} from '../conformance-case.js';

const nested = error('ERR MULTI calls can not be nested');
const execWithout = error('ERR EXEC without MULTI');
const discardWithout = error('ERR DISCARD without MULTI');
const aborted = error('EXECABORT Transaction discarded because of previous errors.');
const badExec = error(
  "EXECABORT Transaction discarded because of: wrong number of arguments for 'exec' command",
);
const watchInside = error('ERR WATCH inside MULTI is not allowed');

export const transactionCases: readonly ConformanceCase[] = [
  {
    name: 'EXEC: all replies in order',
    steps: [
      ['MULTI', ok],
      ['SET {t}a 1', queued],
      ['INCR {t}a', queued],
      ['GET {t}none', queued],
      ['MGET {t}a {t}b', queued],
      ['EXEC', [ok, 2, null, ['2', null]]],
      ['GET {t}a', '2'],
    ],
  },
  {
    name: 'EXEC: nothing queued',
    steps: [
      ['MULTI', ok],
      ['EXEC', []],
    ],
  },
  {
    name: 'EXEC: an error of one command leaves the others',
    steps: [
      ['MULTI', ok],
      ['SET {t}a text', queued],
      ['INCR {t}a', queued],
      ['SET {t}b v NX XX', queued],
      ['SET {t}c 3', queued],
      ['EXEC', [ok, notAnInteger, syntaxError, ok]],
      ['GET {t}c', '3'],
      ['EXISTS {t}b', 0],
    ],
  },
  {
    name: 'Until EXEC nobody sees anything of it',
    steps: [
      ['MULTI', ok],
      ['SET k v', queued],
      [other('GET k'), null],
      ['EXEC', [ok]],
      [other('GET k'), 'v'],
    ],
  },
  {
    name: 'DISCARD: forgets what was queued',
    steps: [
      ['MULTI', ok],
      ['SET k v', queued],
      ['DISCARD', ok],
      ['EXISTS k', 0],
      ['EXEC', execWithout],
    ],
  },
  {
    name: 'EXEC and DISCARD without MULTI',
    steps: [
      ['EXEC', execWithout],
      ['DISCARD', discardWithout],
      ['MULTI', ok],
      ['EXEC', []],
      ['EXEC', execWithout],
    ],
  },
  {
    name: 'MULTI inside MULTI is refused and spoils nothing',
    steps: [
      ['MULTI', ok],
      ['MULTI', nested],
      ['SET k v', queued],
      ['EXEC', [ok]],
    ],
  },
  {
    name: 'EXECABORT: a command that cannot be queued spoils all',
    steps: [
      ['MULTI', ok],
      ['SET k v', queued],
      ['SET k', wrongArity('set')],
      ['GET k', queued],
      ['EXEC', aborted],
      ['EXISTS k', 0],
      ['MULTI', ok],
      ['NOSUCH', error("ERR unknown command 'NOSUCH', with args beginning with: ")],
      ['EXEC', aborted],
      ['EXEC', execWithout],
    ],
  },
  {
    name: 'EXECABORT: a subcommand that is none, or wants other arguments, cannot be queued',
    steps: [
      ['MULTI', ok],
      ['OBJECT NOSUCH k', error("ERR unknown subcommand 'NOSUCH'. Try OBJECT HELP.")],
      ['EXEC', aborted],
      ['MULTI', ok],
      ['OBJECT ENCODING', wrongArity('object|encoding')],
      ['EXEC', aborted],
      ['MULTI', ok],
      ['MEMORY USAGE', wrongArity('memory|usage')],
      ['EXEC', aborted],
      ['MULTI', ok],
      ['CLIENT NOSUCH', error("ERR unknown subcommand 'NOSUCH'. Try CLIENT HELP.")],
      ['EXEC', aborted],
      ['MULTI', ok],
      ['SET k v', queued],
      ['OBJECT ENCODING k', queued],
      ['EXEC', [ok, 'embstr']],
    ],
  },
  {
    name: 'DISCARD after a command that cannot be queued',
    steps: [
      ['MULTI', ok],
      ['GET', wrongArity('get')],
      ['DISCARD', ok],
      ['SET k v', ok],
    ],
  },
  {
    name: 'Number of arguments',
    steps: [
      ['MULTI x', wrongArity('multi')],
      ['EXEC x', badExec],
      ['DISCARD x', wrongArity('discard')],
      ['WATCH', wrongArity('watch')],
      ['UNWATCH x', wrongArity('unwatch')],
      ['MULTI', ok],
      ['EXEC x', badExec],
      ['EXEC', execWithout],
    ],
  },
  {
    name: 'Server commands can be queued',
    steps: [
      ['MULTI', ok],
      ['PING', queued],
      ['ECHO hello', queued],
      ['DBSIZE', queued],
      ['EXEC', [simple('PONG'), 'hello', 0]],
    ],
  },
  {
    name: 'SELECT inside takes effect for what follows, and stays',
    steps: [
      ['MULTI', ok],
      ['SET {t}a zero', queued],
      ['SELECT 4', queued],
      ['SET {t}a four', queued],
      ['EXEC', [ok, ok, ok]],
      ['GET {t}a', 'four'],
      ['SELECT 0', ok],
      ['GET {t}a', 'zero'],
    ],
  },
  {
    name: 'Expiry inside',
    steps: [
      ['MULTI', ok],
      ['SET k v EX 100', queued],
      ['TTL k', queued],
      ['PERSIST k', queued],
      ['TTL k', queued],
      ['EXEC', [ok, between(99, 100), 1, -1]],
    ],
  },
  // --------------------------------------------------------------------------------------- WATCH
  {
    name: 'WATCH: EXEC goes through when nothing changed',
    steps: [
      ['SET k 1', ok],
      ['WATCH k', ok],
      ['GET k', '1'],
      ['MULTI', ok],
      ['SET k 2', queued],
      ['EXEC', [ok]],
      ['GET k', '2'],
    ],
  },
  {
    name: 'WATCH: EXEC is null when another client changed the key',
    steps: [
      ['SET k 1', ok],
      ['WATCH k', ok],
      [other('SET k 5'), ok],
      ['MULTI', ok],
      ['SET k 2', queued],
      ['EXEC', null],
      ['GET k', '5'],
    ],
  },
  {
    name: 'WATCH: also when it changed after MULTI',
    steps: [
      ['WATCH k', ok],
      ['MULTI', ok],
      ['SET k 2', queued],
      [other('SET k 5'), ok],
      ['EXEC', null],
    ],
  },
  {
    name: 'WATCH: also when the same value was written',
    steps: [
      ['SET k 1', ok],
      ['WATCH k', ok],
      [other('SET k 1'), ok],
      ['MULTI', ok],
      ['EXEC', null],
    ],
  },
  {
    name: 'WATCH: also when the client changed it itself, before MULTI',
    steps: [
      ['WATCH k', ok],
      ['SET k 1', ok],
      ['MULTI', ok],
      ['EXEC', null],
    ],
  },
  {
    name: 'WATCH: a write that failed changed nothing',
    steps: [
      ['SET k text', ok],
      ['WATCH k', ok],
      [other('INCR k'), notAnInteger],
      [other('SET k v NX'), null],
      [other('GET k'), 'text'],
      ['MULTI', ok],
      ['EXEC', []],
    ],
  },
  {
    name: 'WATCH: deletion and creation are changes, another key is not',
    steps: [
      ['SET {w}a 1', ok],
      ['WATCH {w}a {w}b', ok],
      [other('SET {w}c 1'), ok],
      ['MULTI', ok],
      ['EXEC', []],
      ['WATCH {w}a {w}b', ok],
      [other('DEL {w}a'), 1],
      ['MULTI', ok],
      ['EXEC', null],
      ['WATCH {w}a {w}b', ok],
      [other('SET {w}b 1'), ok],
      ['MULTI', ok],
      ['EXEC', null],
    ],
  },
  {
    name: 'WATCH: an expiry set by another client is a change',
    steps: [
      ['SET k 1', ok],
      ['WATCH k', ok],
      [other('EXPIRE k 1000'), 1],
      ['MULTI', ok],
      ['EXEC', null],
    ],
  },
  {
    name: 'WATCH: a key that comes due is a change',
    steps: [['SET k 1 PX 50', ok], ['WATCH k', ok], wait(80), ['MULTI', ok], ['EXEC', null]],
  },
  {
    name: 'WATCH: flushing what is there is a change, what is not is none',
    steps: [
      ['SET k 1', ok],
      ['WATCH k', ok],
      [other('FLUSHALL'), ok],
      ['MULTI', ok],
      ['EXEC', null],
      ['WATCH k', ok],
      [other('FLUSHDB'), ok],
      ['MULTI', ok],
      ['EXEC', []],
    ],
  },
  {
    name: 'WATCH: a key of the same name in another database is another key',
    steps: [
      ['WATCH k', ok],
      [other('SELECT 1'), ok],
      [other('SET k 1'), ok],
      ['MULTI', ok],
      ['EXEC', []],
    ],
  },
  {
    name: 'WATCH holds for one EXEC',
    steps: [
      ['WATCH k', ok],
      ['MULTI', ok],
      ['EXEC', []],
      [other('SET k 1'), ok],
      ['MULTI', ok],
      ['EXEC', []],
    ],
  },
  {
    name: 'DISCARD, UNWATCH and RESET end it',
    steps: [
      ['WATCH k', ok],
      ['MULTI', ok],
      ['DISCARD', ok],
      [other('SET k 1'), ok],
      ['MULTI', ok],
      ['EXEC', []],
      ['WATCH k', ok],
      ['UNWATCH', ok],
      [other('SET k 2'), ok],
      ['MULTI', ok],
      ['EXEC', []],
      ['WATCH k', ok],
      ['RESET', simple('RESET')],
      [other('SET k 3'), ok],
      ['MULTI', ok],
      ['EXEC', []],
    ],
  },
  {
    name: 'WATCH inside MULTI is refused; UNWATCH inside is queued and too late',
    steps: [
      ['WATCH k', ok],
      ['MULTI', ok],
      ['WATCH k', watchInside],
      ['UNWATCH', queued],
      [other('SET k 1'), ok],
      ['EXEC', null],
    ],
  },
  {
    name: 'UNWATCH without WATCH',
    steps: [['UNWATCH', ok]],
  },
  {
    name: 'EXECABORT goes before a change of a watched key',
    steps: [
      ['WATCH k', ok],
      [other('SET k 1'), ok],
      ['MULTI', ok],
      ['GET', wrongArity('get')],
      ['EXEC', aborted],
      ['MULTI', ok],
      ['EXEC', []],
    ],
  },
  {
    name: 'RESET inside MULTI ends the transaction',
    steps: [
      ['MULTI', ok],
      ['SET k v', queued],
      ['RESET', simple('RESET')],
      ['EXEC', execWithout],
      ['EXISTS k', 0],
    ],
  },
];
