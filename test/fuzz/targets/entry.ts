// The payload of a command entry, which the log and the bus have summed.
//
// Checked: it is taken apart or refused as a `corruptEntry`; what was taken apart is exactly what was
// written, byte for byte, so that no two replicas can read it differently.

import assert from 'node:assert/strict';
import { transactionKind } from '../../../sqlite-sm/command-codec.js';
import {
  commandByteLength,
  type DecodedCommand,
  type DecodedTransaction,
  decodeRecord,
  encodeCommand,
  encodeTransaction,
  FatalMachineError,
  transactionByteLength,
} from '../../../sqlite-sm/index.js';
import { randomInteger } from '../../faults/seeded-random.js';
import { batchFrom } from '../batches.js';
import { mutated, type Random } from '../mutate.js';
import type { FuzzTarget, Verdict } from '../target.js';

function make(random: Random): Buffer {
  const valid = batchFrom(random, randomInteger(random, 0, 5));
  return random() < 0.2 ? valid : mutated(random, valid);
}

function check(input: Buffer): Verdict {
  const records: (DecodedCommand | DecodedTransaction)[] = [];
  try {
    for (let offset = 0; offset < input.length; ) {
      const record = decodeRecord(input, offset);
      assert(record.end > offset, 'A record has an end behind its beginning');
      assert(record.end <= input.length, 'A record ends in the payload');
      assert(encoded(record).equals(input.subarray(offset, record.end)));
      records.push(record);
      offset = record.end;
    }
  } catch (error) {
    if (!(error instanceof FatalMachineError)) throw error;
    assert.equal(error.code, 'corruptEntry');
    return 'refused';
  }
  return 'accepted';
}

function encoded(record: DecodedCommand | DecodedTransaction): Buffer {
  if (record.kind !== transactionKind) {
    const bytes = Buffer.alloc(commandByteLength(record.args));
    encodeCommand(bytes, 0, record.kind, record.db, record.args);
    return bytes;
  }
  const commands = Buffer.concat(record.commands.map(encoded));
  const bytes = Buffer.alloc(transactionByteLength(record.watched, commands.length));
  encodeTransaction(bytes, 0, record.watched, record.commands.length, commands);
  return bytes;
}

export const entry: FuzzTarget = { name: 'entry', runsInTest: 5000, make, check };
