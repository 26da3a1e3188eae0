// Random commands, played on the state machine and on a model of a page and a half.

import assert from 'node:assert/strict';
import { KeyspaceModel } from './keyspace-model.js';
import {
  MachineHarness,
  removeDirectories,
  SeededRandom,
  type ShownReply,
} from './machine-fixture.js';
import { randomCommand } from './random-commands.js';

/** Some come due while a run goes on. */
const times = { seconds: ['1', '2', '300', '1000'], milliseconds: ['1', '10', '1500', '300000'] };

const commandsPerRun = 4000;

describe('The state machine answers like the model', () => {
  afterEach(removeDirectories);

  for (const seed of [21, 22, 23, 24]) {
    it(`in ${commandsPerRun} random commands (seed ${seed})`, () => {
      const random = new SeededRandom(seed);
      const harness = new MachineHarness();
      const model = new KeyspaceModel();
      for (let i = 0; i < commandsPerRun; i++) {
        harness.nowMs += random.pick([0, 0, 0, 1, 10, 700]);
        const command = randomCommand(random, times);
        if (!model.knows(command)) continue;
        const actual = sorted(command, harness.run(...command));
        const expected = model.run(command, harness.nowMs);
        assert.deepEqual(actual, expected, `command ${i}: ${JSON.stringify(command)}`);
        if (random.below(200) === 0) harness.machine.flush();
        if (random.below(500) === 0) harness.reopen();
      }
      harness.machine.close();
    });
  }
});

/** The names of SCAN and KEYS in order. */
function sorted(command: readonly string[], reply: ShownReply): ShownReply {
  if (!Array.isArray(reply)) return reply;
  if (command[0]?.toUpperCase() === 'KEYS') return [...reply].sort();
  return Array.isArray(reply[1]) ? [reply[0] as string, [...reply[1]].sort()] : reply;
}
