// What any client may send before it has said who it is.
//
// Checked: commands and error are the same however the stream is cut, and the limits for strangers
// end at the same command; what is buffered is no more than what arrived, and nothing once there is
// an error; commands that came out go in again as they are.

import assert from 'node:assert/strict';
import { type RequestLimits, RequestParser } from '../../../resp/index.js';
import { randomBytes, randomInteger } from '../../faults/seeded-random.js';
import { mutated, pick, type Random } from '../mutate.js';
import { waysToCut } from '../pieces.js';
import type { FuzzTarget, Verdict } from '../target.js';

/** So low that small inputs go beyond them. */
const lowLimits: RequestLimits = {
  argumentsMax: 6,
  commandBytesMax: 120,
  inlineBytesMax: 40,
  headerBytesMax: 12,
  unauthenticatedArgumentsMax: 3,
  unauthenticatedBulkBytesMax: 10,
};

const names = ['PING', 'SET', 'get', 'MSET', 'AUTH', '', 'é', '*1\r\n$4\r\nPING\r\n'];

const noise = [
  ...['*', '$', '-', '+', ':', '0', '1', '2', '3', '9', '\r', '\n', '\r\n', ' ', '"', "'", '\\'],
  ...[
    '\\x',
    '\\xff',
    '\0',
    '\xff',
    '*1\r\n',
    '*-1\r\n',
    '*0\r\n',
    '$0\r\n\r\n',
    '$-1\r\n',
    '\r\n\r\n',
  ],
  ...['*1048577\r\n', '*2147483648\r\n', '$67108865\r\n', '*99999999999999999999\r\n', '*1\r\n$1'],
];

function make(random: Random): Buffer {
  const pieces = Array.from({ length: randomInteger(random, 0, 12) }, () => {
    const kind = random();
    if (kind < 0.5) return multibulk(argumentsOf(random));
    if (kind < 0.8) return inline(random);
    return pick(random, noise);
  });
  const valid = Buffer.from(pieces.join(''), 'latin1');
  return random() < 0.6 ? mutated(random, valid) : valid;
}

/** As latin1. */
function argumentsOf(random: Random): string[] {
  const rest = Array.from({ length: randomInteger(random, 0, 8) }, () =>
    randomBytes(random, randomInteger(random, 0, 20)).toString('latin1'),
  );
  return [pick(random, names), ...rest];
}

function multibulk(args: readonly string[]): string {
  return `*${args.length}\r\n${args.map((arg) => `$${arg.length}\r\n${arg}\r\n`).join('')}`;
}

function inline(random: Random): string {
  const words = Array.from({ length: randomInteger(random, 0, 5) }, () =>
    pick(random, ['PING', 'a', '"b c"', "'d'", '"\\x41\\n"', '"', "'", '\\', 'e"f"', '\t', '']),
  );
  return words.join(pick(random, [' ', '  ', '\t'])) + pick(random, ['\r\n', '\n', '\n\n']);
}

interface Setting {
  readonly limits: Partial<RequestLimits>;
  /** After so many commands the client is no stranger any more. */
  readonly authenticatedAfter: number;
}

interface Outcome {
  readonly commands: readonly (readonly string[])[];
  readonly error: string | undefined;
  readonly bufferedBytes: number;
}

function check(input: Buffer, random: Random): Verdict {
  const setting: Setting = {
    limits: random() < 0.5 ? lowLimits : {},
    authenticatedAfter: random() < 0.5 ? 0 : randomInteger(random, 1, 4),
  };
  const [whole, ...others] = waysToCut(input, random).map((pieces) => parse(pieces, setting));
  for (const other of others) assert.deepEqual(other, whole);
  const { commands, error } = whole!;
  if (setting.limits !== lowLimits) {
    const again = Buffer.from(commands.map(multibulk).join(''), 'latin1');
    const outcome = { commands, error: undefined, bufferedBytes: 0 };
    assert.deepEqual(parse([again], { limits: {}, authenticatedAfter: 0 }), outcome);
  }
  return error === undefined ? 'accepted' : 'refused';
}

function parse(pieces: readonly Buffer[], { limits, authenticatedAfter }: Setting): Outcome {
  const parser = new RequestParser(limits);
  parser.authenticated = authenticatedAfter === 0;
  const commands: string[][] = [];
  let arrivedBytes = 0;
  for (const piece of pieces) {
    parser.feed(piece);
    arrivedBytes += piece.length;
    for (let command = parser.next(); command !== undefined; command = parser.next()) {
      assert(command.length > 0, 'A command without a name');
      commands.push(command.map((arg) => arg.toString('latin1')));
      assert(commands.length <= arrivedBytes, 'It gives commands for ever');
      assert(parser.bufferedBytes <= arrivedBytes, 'It has more than arrived');
      if (commands.length === authenticatedAfter) parser.authenticated = true;
    }
    if (parser.error !== undefined) assert.equal(parser.bufferedBytes, 0);
  }
  return { commands, error: parser.error, bufferedBytes: parser.bufferedBytes };
}

export const requestParser: FuzzTarget = { name: 'request-parser', runsInTest: 3000, make, check };
