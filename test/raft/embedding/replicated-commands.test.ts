import assert from 'node:assert/strict';
import {
  commandRoom,
  readCommands,
  writeCommand,
} from '../../../raft/embedding/replicated-commands.js';

function payloadOf(commands: readonly Uint8Array[]): Buffer {
  const payload = Buffer.alloc(commands.reduce((sum, data) => sum + commandRoom(data), 0));
  let offset = 0;
  for (const data of commands) {
    writeCommand(payload, offset, data);
    offset += commandRoom(data);
  }
  return payload;
}

describe('replicated commands', () => {
  it('come back in their order, the empty one too', () => {
    const commands = ['first', '', 'third'].map((text) => Buffer.from(text));
    assert.deepEqual(readCommands(payloadOf(commands)), commands);
  });

  it('are none in an empty payload', () => {
    assert.deepEqual(readCommands(Buffer.alloc(0)), []);
  });

  it('may be any bytes of any typed array', () => {
    const bytes = new Uint8Array([9, 0, 255, 10, 13, 7]).subarray(1, 5);
    assert.deepEqual(readCommands(payloadOf([bytes])), [Buffer.from([0, 255, 10, 13])]);
  });

  it('are copies: the payload may be overwritten', () => {
    const payload = payloadOf([Buffer.from('kept')]);
    const [command] = readCommands(payload);
    payload.fill(0xdb);
    assert.equal(command!.toString(), 'kept');
  });

  it('that end behind their payload are our mistake', () => {
    const payload = payloadOf([Buffer.from('cut')]);
    assert.throws(() => readCommands(payload.subarray(0, -1)), /ends behind its entry/);
  });
});
