import assert from 'node:assert/strict';
import {
  type Introduction,
  introductionText,
  isNonce,
  readIntroduction,
} from '../../../src/cluster/introduction.js';

const nonce = '0123456789abcdef'.repeat(4);
const self = {
  replicaId: 'a'.repeat(40),
  serverNumber: 1,
  host: '127.0.0.1',
  clientPort: 7001,
  busPort: 17_001,
};
const introduction: Introduction = {
  format: 1,
  clusterId: 'c'.repeat(32),
  group: 1,
  self,
  isMember: true,
  members: [self],
};

describe('An introduction', () => {
  it('tells who somebody is to those who share the bus secret', () => {
    const text = introductionText(introduction, 'secret', nonce);
    assert.deepEqual(readIntroduction(text, 'secret', nonce), { introduction });
  });

  it('does not tell the secret', () => {
    assert(!introductionText(introduction, 'a-long-secret', nonce).includes('a-long-secret'));
  });

  it('is not believed with another secret, another nonce or another cluster', () => {
    const text = introductionText(introduction, 'secret', nonce);
    const other = text.replace('c'.repeat(32), 'd'.repeat(32));
    for (const [given, secret, asked] of [
      [text, 'another', nonce],
      [text, '', nonce],
      [text, 'secret', nonce.replace('0', 'f')],
      [other, 'secret', nonce],
    ] as const) {
      const { trouble } = readIntroduction(given, secret, asked) as { trouble: string };
      assert.match(
        trouble,
        /^it says that it is of cluster \w+, and its bus secret is not that of/,
      );
    }
  });

  it('that makes no sense is none', () => {
    assert.deepEqual(readIntroduction('PONG', 'secret', nonce), {
      trouble: 'it does not say who it is',
    });
    assert.deepEqual(readIntroduction('{"format":2}', 'secret', nonce), {
      trouble: 'it introduces itself in format 2, expected 1',
    });
  });

  it('is asked for with a nonce of 32 bytes', () => {
    assert.equal(isNonce(nonce), true);
    for (const text of ['', 'ab', `${nonce}00`, nonce.replace('a', 'g')]) {
      assert.equal(isNonce(text), false);
    }
  });
});
