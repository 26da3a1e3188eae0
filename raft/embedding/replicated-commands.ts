// Many commands in one log entry, each with its length in front, so that results find their callers
// by position.
//
//   payload of an entry: │ length u32 │ data … │ length u32 │ data … │     little endian

import assert from 'node:assert/strict';

const headerBytes = 4;

/** Data of one command. An entry has room for a little more; whatever is behind it waits. */
export const commandBytesMax = 64 * 1024 * 1024;

/** Bytes that the command takes in an entry. */
export function commandRoom(data: Uint8Array): number {
  return headerBytes + data.length;
}

export function writeCommand(target: Buffer, offset: number, data: Uint8Array): void {
  target.writeUInt32LE(data.length, offset);
  target.set(data, offset + headerBytes);
}

/** Copies: the payload's memory is used again for other entries. */
export function readCommands(payload: Buffer): Buffer[] {
  const commands: Buffer[] = [];
  for (let offset = 0; offset < payload.length; ) {
    const begin = offset + headerBytes;
    const end = begin + payload.readUInt32LE(offset);
    assert(end <= payload.length, 'A command ends behind its entry');
    commands.push(Buffer.from(payload.subarray(begin, end)));
    offset = end;
  }
  return commands;
}
