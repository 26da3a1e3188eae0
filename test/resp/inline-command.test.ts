import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { splitInlineCommand } from '../../resp/inline-command.js';

function split(line: string): string[] | undefined {
  return splitInlineCommand(Buffer.from(line, 'latin1'))?.map((arg) => arg.toString('latin1'));
}

const accepted: readonly { readonly line: string; readonly args: readonly string[] }[] = [
  { line: '', args: [] },
  { line: ' \t \r \v \f', args: [] },
  { line: 'PING', args: ['PING'] },
  { line: 'PING "a"\r\n', args: ['PING', 'a'] },
  { line: '  SET \t k   v  ', args: ['SET', 'k', 'v'] },
  { line: 'a\rb', args: ['a', 'b'] },
  // A vertical tab is a blank before a word and behind a quote, but does not end a bare word.
  { line: '\vab\vc\fd \fe', args: ['ab\vc\fd', 'e'] },
  { line: '"a"\v"b"', args: ['a', 'b'] },
  { line: '"" \'\'', args: ['', ''] },
  { line: '"a b"', args: ['a b'] },
  { line: '"\\n\\r\\t\\b\\a"', args: ['\n\r\t\b\x07'] },
  { line: '"\\x00\\xfF\\xaB"', args: ['\x00\xff\xab'] },
  { line: '"\\x4"', args: ['x4'] },
  { line: '"\\xg0\\x0g\\x"', args: ['xg0x0gx'] },
  { line: '"\\"\\\\\\q"', args: ['"\\q'] },
  { line: `"it's"`, args: ["it's"] },
  { line: `'say "hi"'`, args: ['say "hi"'] },
  { line: `'it\\'s'`, args: ["it's"] },
  { line: `'\\n\\x41\\\\ '`, args: ['\\n\\x41\\\\ '] },
  { line: 'a"b c"', args: ['ab c'] },
  { line: `a'b c' d`, args: ['ab c', 'd'] },
  { line: 'a\\nb', args: ['a\\nb'] },
  { line: 'a\x00b \xff', args: ['a\x00b', '\xff'] },
];

const refused: readonly string[] = [
  '"',
  "'",
  'a "b',
  "a 'b",
  'a"b',
  '"a"b',
  `'a'b`,
  '"a""b"',
  `"a"'b'`,
  'a"b c"d',
  '"a\\"',
  "'a\\'",
  '"a\\',
  // The second backslash escapes the quote: between single quotes the first is a plain character.
  "'a\\\\'",
  '"a\\x4',
];

describe('splitInlineCommand', () => {
  for (const { line, args } of accepted) {
    it(`splits ${JSON.stringify(line)} into ${JSON.stringify(args)}`, () => {
      assert.deepEqual(split(line), args);
    });
  }

  for (const line of refused) {
    it(`refuses ${JSON.stringify(line)}`, () => {
      assert.equal(split(line), undefined);
    });
  }

  it('shares no memory with the line', () => {
    const line = Buffer.from('SET key "value"');
    const args = splitInlineCommand(line)!;
    line.fill('z');
    assert.deepEqual(args.map(String), ['SET', 'key', 'value']);
  });
});
