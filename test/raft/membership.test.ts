import assert from 'node:assert/strict';
import {
  configurationOf,
  decodeMembership,
  encodeMembership,
  type Member,
  type Membership,
} from '../../raft/membership.js';
import { raftError } from './log/journals.js';

function member(digit: string, facts: Partial<Member> = {}): Member {
  return { replicaId: digit.repeat(40), host: 'localhost', port: 7001, attributes: {}, ...facts };
}

const membership: Membership = {
  index: 7,
  voters: [member('a', { attributes: { serverNumber: 1, announced: { host: 'x' } } }), member('b')],
  learners: [member('c', { host: '::1', port: 65_535 })],
};

function payloadOf(changes: object): Buffer {
  return Buffer.from(
    JSON.stringify({ format: 1, voters: [member('a')], learners: [], ...changes }),
  );
}

/** Where a member should be, lists within lists. */
function nestOf(depth: number): Buffer {
  const text = payloadOf({ voters: ['a nest'] }).toString();
  return Buffer.from(text.replace('"a nest"', '['.repeat(depth) + ']'.repeat(depth)));
}

describe('Membership', () => {
  it('is read as it was written, at the index of its entry', () => {
    const payload = encodeMembership(membership);
    assert.deepEqual(decodeMembership(payload, 7), membership);
    assert.equal(decodeMembership(payload, 9).index, 9);
    assert(!payload.includes('index'));
  });

  it('carries what the contract has of a member, and nothing else', () => {
    const extended = { ...member('a'), secret: 'x' };
    const payload = encodeMembership({ index: 1, voters: [extended], learners: [] });
    assert.deepEqual(decodeMembership(payload, 1).voters, [member('a')]);
  });

  it('is a configuration of ids to the core', () => {
    assert.deepEqual(configurationOf(membership), {
      voters: ['a'.repeat(40), 'b'.repeat(40)],
      learners: ['c'.repeat(40)],
    });
  });

  const nonsense: readonly [string, Buffer, RegExp][] = [
    ['bytes', Buffer.from([0, 255, 3]), /it is not a JSON object/],
    ['a list', Buffer.from('[]'), /it is not a JSON object/],
    ['no lists', payloadOf({ voters: 3 }), /it has no lists of members/],
    ['no voter', payloadOf({ voters: [] }), /it has no voter/],
    ['one twice', payloadOf({ learners: [member('a')] }), /it has a{40} twice/],
    ['an id', payloadOf({ voters: [member('x')] }), /the impossible member/],
    ['a host', payloadOf({ voters: [member('a', { host: '' })] }), /the impossible member/],
    ['a port', payloadOf({ voters: [member('a', { port: 65_536 })] }), /the impossible member/],
    ['no port', payloadOf({ voters: [member('a', { port: 0.5 })] }), /the impossible member/],
    ['no attributes', payloadOf({ voters: [{ ...member('a'), attributes: 1 }] }), /impossible/],
    ['no member', payloadOf({ learners: [null] }), /the impossible member null/],
    // What is made of them would be a text without end, or none.
    ['a nest', nestOf(50_000), /the impossible member a list/],
    ['an endless id', payloadOf({ voters: [member('x'.repeat(900))] }), /member x{100}…$/],
  ];
  for (const [what, payload, message] of nonsense) {
    it(`is not read from ${what}`, () => {
      assert.throws(() => decodeMembership(payload, 3), raftError('DAMAGED', message));
    });
  }

  it('of another format is told apart from damage', () => {
    const payload = payloadOf({ format: 2 });
    assert.throws(
      () => decodeMembership(payload, 3),
      raftError('VERSION', /in entry 3: its format is 2, expected 1/),
    );
  });

  it('of a format that has no text is refused all the same', () => {
    const payload = payloadOf({ format: { toString: 1 } });
    const sentence = /in entry 3: its format is an object, expected 1/;
    assert.throws(() => decodeMembership(payload, 3), raftError('VERSION', sentence));
  });

  it('that no replica could read is not written', () => {
    const impossible = { ...membership, voters: [member('a', { host: '' })] };
    assert.throws(() => encodeMembership(impossible), assert.AssertionError);
    assert.throws(() => encodeMembership({ ...membership, voters: [] }), assert.AssertionError);
  });
});
