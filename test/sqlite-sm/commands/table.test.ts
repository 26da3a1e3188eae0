import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { allKeys, CommandTable, firstKey } from '../../../sqlite-sm/commands/table.js';
import {
  arityFits,
  commandKeys,
  commandTable,
  type DataCommand,
  dataCommands,
  expireDueCommand,
  findCommand,
} from '../../../sqlite-sm/index.js';
import { toBuffer } from '../machine-fixture.js';

const sample: DataCommand = {
  name: 'sample',
  arity: 2,
  flags: ['readonly'],
  categories: ['@read'],
  keySpecs: [firstKey('RO')],
  tips: [],
  group: 'generic',
  since: '1.0.0',
  summary: '',
  complexity: '',
  run: () => null,
};

function keysOf(...args: string[]): string[] {
  const command = findCommand(Buffer.from(args[0] as string));
  assert(command !== undefined);
  return commandKeys(command, args.map(toBuffer)).map(String);
}

describe('The table of commands', () => {
  it('finds every command in any case, and nothing else', () => {
    for (const { name } of dataCommands) {
      assert.equal(findCommand(Buffer.from(name))?.name, name);
      assert.equal(findCommand(Buffer.from(name.toUpperCase()))?.name, name);
      assert.equal(findCommand(Buffer.from(`${name}x`)), undefined);
      assert.equal(findCommand(Buffer.from(name.slice(0, -1))), undefined);
    }
    // 0x07 differs from `g` in the bits that upper and lower case differ in, and more.
    for (const name of ['', '\x07et', 'g\x45t\0', 'x'.repeat(100_000)]) {
      assert.equal(findCommand(Buffer.from(name)), undefined);
    }
  });

  it('extracts keys', () => {
    assert.deepEqual(keysOf('GET', 'a'), ['a']);
    assert.deepEqual(keysOf('SET', 'a', '1', 'EX', '5'), ['a']);
    assert.deepEqual(keysOf('MGET', 'a', 'b', 'c'), ['a', 'b', 'c']);
    assert.deepEqual(keysOf('MSET', 'a', '1', 'b', '2'), ['a', 'b']);
    // An odd number of arguments is refused later; routing must not stumble over it.
    assert.deepEqual(keysOf('MSET', 'a', '1', 'b'), ['a', 'b']);
    assert.deepEqual(keysOf('DEL', 'a', 'a'), ['a', 'a']);
    assert.deepEqual(keysOf('SCAN', '0'), []);
    assert.deepEqual(keysOf('FLUSHALL'), []);
  });

  it('checks arity', () => {
    const set = findCommand(Buffer.from('set'));
    const get = findCommand(Buffer.from('get'));
    assert(set !== undefined && get !== undefined);
    assert.deepEqual(
      [1, 2, 3, 9].map((n) => arityFits(set, n)),
      [false, false, true, true],
    );
    assert.deepEqual(
      [1, 2, 3].map((n) => arityFits(get, n)),
      [false, true, false],
    );
  });

  it('marks each command as a read or a write, with the category to match', () => {
    // A container has the flags of none, and help reads nothing.
    const commands = commandTable.commands.filter(({ subcommands }) => subcommands === undefined);
    for (const command of commands) {
      assert.equal(command.isWrite, command.categories.includes('@write'), command.name);
      assert.equal(!command.isWrite, command.categories.includes('@read'), command.name);
      assert.equal(command.flags.includes('fast'), command.categories.includes('@fast'));
      assert.equal(!command.flags.includes('fast'), command.categories.includes('@slow'));
    }
  });

  it('finds the keys of a subcommand', () => {
    const object = findCommand(Buffer.from('object'));
    assert(object !== undefined && !object.isWrite);
    const keysOf = (...args: string[]) =>
      commandKeys(
        object,
        args.map((arg) => Buffer.from(arg)),
      );
    assert.deepEqual(keysOf('OBJECT', 'Encoding', 'k'), [Buffer.from('k')]);
    // These answer with an error, or with help.
    assert.deepEqual(keysOf('OBJECT', 'ENCODING'), []);
    assert.deepEqual(keysOf('OBJECT', 'ENCODING', 'k', 'l'), []);
    assert.deepEqual(keysOf('OBJECT', 'NONSENSE', 'k'), []);
    assert.deepEqual(keysOf('OBJECT', 'HELP'), []);
  });

  it('hides what only entries of the group may hold', () => {
    assert.equal(findCommand(Buffer.from(expireDueCommand.name)), undefined);
    assert(!dataCommands.includes(expireDueCommand));
  });

  it('refuses rows that contradict themselves', () => {
    const refuse = (changes: Partial<DataCommand>, reason: RegExp): void => {
      assert.throws(() => new CommandTable([{ ...sample, ...changes }]), reason);
    };
    assert.throws(() => new CommandTable([sample, sample]), /same name/);
    refuse({ name: 'Sample' }, /Sample/);
    refuse({ arity: 0 }, /at least its name/);
    refuse({ flags: [] }, /either write or readonly/);
    refuse({ flags: ['write', 'readonly'] }, /either write or readonly/);
    refuse({ keySpecs: [{ ...firstKey('RO'), beginIndex: 2 }] }, /may be missing/);
    refuse({ keySpecs: [{ ...firstKey('RO'), beginIndex: 0 }] }, /may be missing/);
    refuse({ keySpecs: [allKeys(0, 'RO')] }, /do not advance/);
    refuse({ arity: 4, keySpecs: [firstKey('RO'), { ...firstKey('RO'), beginIndex: 3 }] }, /a gap/);
    refuse({ keySpecs: [firstKey('RW', 'variable_flags')] }, /vary by nothing/);
    refuse({ keyFlags: () => ['RO'] }, /vary by nothing/);
    const write: DataCommand = { ...sample, flags: ['write'] };
    refuse({ subcommands: [write] }, /a container of reads/);
  });
});
