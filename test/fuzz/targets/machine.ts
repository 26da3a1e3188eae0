// An entry that is committed and does not decode, or only nearly: what applying makes of it.
//
// Checked: on two replicas, of which one has clients, it is applied with the same result, or ends the
// machine with a `FatalMachineError`; then nothing of it is left behind, and the next start has the
// state before it. No command throws.

import assert from 'node:assert/strict';
import { FatalMachineError, type SqliteStateMachine } from '../../../sqlite-sm/index.js';
import { randomInteger } from '../../faults/seeded-random.js';
import { MachineHarness, openMachine, removeDirectories } from '../../sqlite-sm/machine-fixture.js';
import { batchFrom } from '../batches.js';
import { mutated, type Random } from '../mutate.js';
import type { FuzzTarget, Verdict } from '../target.js';

function make(random: Random): Buffer {
  const valid = batchFrom(random, randomInteger(random, 1, 4));
  return random() < 0.3 ? valid : mutated(random, valid);
}

function check(input: Buffer): Verdict {
  const failures: unknown[] = [];
  const options = { onCommandFailure: (error: unknown) => failures.push(error) };
  const asked = new MachineHarness(options);
  const silent = new MachineHarness(options);
  try {
    for (const { machine } of [asked, silent].map(withKeys)) machine.flush();
    const before = asked.machine.digest();
    const fatal = applyHeard(asked, input);
    const fatalInSilence = fatalOf(() => silent.machine.apply(silent.entry(input)));
    // Reads are not looked at in silence: only what is wrong with them may be missed there.
    if (fatalInSilence !== undefined) assert(fatal !== undefined);
    assert.deepEqual(failures, []);
    if (fatal === undefined) {
      assert.equal(silent.machine.digest(), asked.machine.digest());
      return 'accepted';
    }
    assert.match(fatal.code, /^(corruptEntry|unknownCommand)$/);
    assertUntouched(asked, before);
    return 'refused';
  } finally {
    for (const { machine } of [asked, silent]) machine.close();
    removeDirectories();
  }
}

function withKeys(harness: MachineHarness): MachineHarness {
  harness.run('SET', 'a', '7');
  harness.run('SET', 'b', 'text', 'PX', '1000');
  return harness;
}

function applyHeard(harness: MachineHarness, payload: Buffer): FatalMachineError | undefined {
  let replies = 0;
  return fatalOf(() =>
    harness.machine.apply(harness.entry(payload), {
      reply(position) {
        assert.equal(position, replies, 'Each command is answered once');
        replies += 1;
      },
    }),
  );
}

function fatalOf(apply: () => void): FatalMachineError | undefined {
  try {
    apply();
    return undefined;
  } catch (error) {
    if (error instanceof FatalMachineError) return error;
    throw error;
  }
}

function assertUntouched(harness: MachineHarness, digest: string): void {
  harness.machine.close();
  const again: SqliteStateMachine = openMachine(harness.directory);
  try {
    assert.equal(again.startedFrom, 'live');
    assert.equal(again.digest(), digest);
  } finally {
    again.close();
  }
}

export const machine: FuzzTarget = {
  name: 'machine',
  runsInTest: 100,
  // Commands may make long values, as they do for clients.
  memoryBytesMax: 2 * 1024 * 1024 * 1024,
  make,
  check,
};
