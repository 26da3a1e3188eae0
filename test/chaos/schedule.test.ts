import assert from 'node:assert/strict';
import { Schedule } from './schedule.js';
import { troubleNames } from './troubles.js';

describe('Schedule', () => {
  const names = troubleNames(true);

  it('is the same for the same seed, and another for another', () => {
    const rounds = (seed: number): unknown => {
      const schedule = new Schedule(seed, names);
      return [schedule.nextRound(), schedule.nextRound()];
    };
    assert.deepEqual(rounds(1), rounds(1));
    assert.notDeepEqual(rounds(1), rounds(2));
  });

  it('has everything come before anything of an earlier round comes again', () => {
    const schedule = new Schedule(3, names);
    const seen = new Set<string>();
    // Two kinds in a round, at least.
    for (let round = 0; round < names.length / 2 + 1; round += 1) {
      for (const { name } of schedule.nextRound()) seen.add(name);
    }
    assert.deepEqual([...seen].sort(), [...names].sort());
  });

  it('leaves out what takes wires and mounts of our own where there are none', () => {
    assert(names.includes('split'));
    assert(!troubleNames(false).includes('split'));
    assert(troubleNames(false).includes('kill'));
  });
});
