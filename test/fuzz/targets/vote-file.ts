// The vote file: a replica that believed a wrong one could vote twice in a term.
//
// Checked: a start and `holt verify` take it or refuse it with a `RaftError`, and agree; a start
// changes neither term nor vote, writes both copies, and has a higher incarnation each time.

import assert from 'node:assert/strict';
import { crc32 } from 'node:zlib';
import { RaftError } from '../../../raft/errors.js';
import { inspectVoteFile, VoteFile } from '../../../raft/log/index.js';
import { randomInteger } from '../../faults/seeded-random.js';
import { Disk, identity } from '../../raft/log/journals.js';
import { mutated, pick, type Random } from '../mutate.js';
import { raftResultOf } from '../raft-result.js';
import type { FuzzTarget, Verdict } from '../target.js';

const path = '/holt/vote';
const slotBytes = 4096;

function make(random: Random): Buffer {
  const disk = new Disk();
  const options = { path, identity, files: disk.files };
  VoteFile.create(options);
  const voteFile = VoteFile.open(options);
  let term = 0;
  for (let left = randomInteger(random, 0, 3); left > 0; left -= 1) {
    term += pick(random, [0, 1, 7, 2 ** 40]);
    const votedFor = pick(random, [undefined, 'a'.repeat(40), 'b0'.repeat(20)]);
    const isLastCut = left === 1 && random() < 0.3;
    voteFile.write({ term, votedFor }, () => {});
    // The power may go between the two copies.
    if (!isLastCut) disk.drain();
  }
  const valid = disk.files.contents(path);
  if (random() < 0.05) return valid;
  const bytes = mutated(random, valid);
  return random() < 0.5 ? resummed(bytes) : bytes;
}

function resummed(bytes: Buffer): Buffer {
  for (let start = 0; start + slotBytes <= bytes.length; start += slotBytes) {
    const slot = bytes.subarray(start, start + slotBytes);
    slot.writeUInt32LE(crc32(slot.subarray(0, slotBytes - 4)), slotBytes - 4);
  }
  return bytes;
}

function check(input: Buffer): Verdict {
  const disk = new Disk();
  const options = { path, identity, files: disk.files };
  disk.files.makeDirectory('/holt');
  const file = disk.files.open(path, 'create');
  file.writeSync(input, 0);
  file.closeSync();
  const inspected = raftResultOf(() => inspectVoteFile(options));
  const opened = raftResultOf(() => VoteFile.open(options));
  if (opened instanceof RaftError) {
    assert(inspected instanceof RaftError);
    assert.equal(inspected.message, opened.message);
    assert.match(opened.message, /\/holt\/vote/);
    return 'refused';
  }
  assert(!(inspected instanceof RaftError));
  const { term, votedFor } = inspected;
  assert.deepEqual(opened.hardState, { term, votedFor });
  opened.closeSync();
  assert.equal(inspectVoteFile(options).soundCopies, 2);
  const again = VoteFile.open(options);
  assert.deepEqual(again.hardState, { term, votedFor });
  assert(again.incarnation > opened.incarnation, 'The incarnation rises with every start');
  return 'accepted';
}

export const voteFile: FuzzTarget = { name: 'vote-file', runsInTest: 2000, make, check };
