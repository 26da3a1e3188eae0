import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { matchesGlob } from '../../sqlite-sm/index.js';
import { SeededRandom } from './machine-fixture.js';

function matches(pattern: string, text: string): boolean {
  return matchesGlob(Buffer.from(pattern, 'latin1'), Buffer.from(text, 'latin1'));
}

describe('matchesGlob', () => {
  const cases: [pattern: string, text: string, expected: boolean][] = [
    ['', '', true],
    ['', 'a', false],
    ['a', '', false],
    ['*', '', false],
    ['*', 'anything', true],
    ['**', '', false],
    ['a**', 'a', true],
    ['h?llo', 'hello', true],
    ['h?llo', 'hllo', false],
    ['h*llo', 'heeeello', true],
    ['h*llo', 'hllo', true],
    ['h*llo', 'hello!', false],
    ['*a*b*', 'xxaxxbxx', true],
    ['*a*b', 'ab a', false],
    ['h[ae]llo', 'hallo', true],
    ['h[ae]llo', 'hillo', false],
    ['h[^e]llo', 'hallo', true],
    ['h[^e]llo', 'hello', false],
    ['h[a-c]llo', 'hbllo', true],
    ['h[c-a]llo', 'hbllo', true],
    ['h[a-c]llo', 'hdllo', false],
    ['[a-]', '_', true],
    ['[a-]]', '^', true],
    ['[a-]]', '-', false],
    ['[]a]', 'a]', false],
    ['[\\]]', ']', true],
    ['[\\a-c]', '-', true],
    ['[^', 'x', true],
    ['[', '[', false],
    ['[ab', 'b', true],
    ['\\*', '*', true],
    ['\\*', 'a', false],
    ['a\\', 'a\\', true],
    ['a\\b', 'ab', true],
    ['A', 'a', false],
    ['?', '\xff', true],
    ['[\x80-\xff]', '\xc3', true],
    ['\0*', '\0\0', true],
  ];
  for (const [pattern, text, expected] of cases) {
    const verb = expected ? 'matches' : 'does not match';
    it(`${JSON.stringify(pattern)} ${verb} ${JSON.stringify(text)}`, () => {
      assert.equal(matches(pattern, text), expected);
    });
  }

  it('agrees with a regular expression on random patterns without classes', () => {
    const random = new SeededRandom(3);
    for (let i = 0; i < 20_000; i++) {
      const pattern = Array.from({ length: random.below(7) }, () => random.pick([...'ab*?'])).join(
        '',
      );
      const text = Array.from({ length: 1 + random.below(9) }, () => random.pick([...'ab'])).join(
        '',
      );
      const expression = pattern.replaceAll('*', '.*').replaceAll('?', '.');
      assert.equal(
        matches(pattern, text),
        new RegExp(`^${expression}$`).test(text),
        `${pattern} ${text}`,
      );
    }
  });

  it('ends for a pattern that makes a recursive matcher take exponential time', () => {
    assert.equal(matches(`${'a*'.repeat(500)}b`, 'a'.repeat(2000)), false);
    assert.equal(matches(`${'a*'.repeat(500)}b`, `${'a'.repeat(2000)}b`), true);
  });
});
