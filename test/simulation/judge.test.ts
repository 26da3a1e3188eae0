import assert from 'node:assert/strict';
import fs from 'node:fs';
import type { Operation } from '../checkers/operation.js';
import { judge } from './judge.js';
import { makeMemoryDirectory } from './memory-directory.js';
import { simulate } from './simulation.js';

describe('The judge of a simulation', () => {
  let directory: string;
  let history: readonly Operation[];
  /** As the last reads of the run showed it. */
  const contents = new Map<string, string>();

  before(function () {
    this.timeout(60_000);
    directory = makeMemoryDirectory();
    ({ history } = simulate(1, directory, { safetyMs: 2_000 }));
    for (const { client, command, reply } of history) {
      if (client === 0 && typeof reply === 'string') contents.set(command[1]!, reply);
    }
  });
  after(() => fs.rmSync(directory, { recursive: true, force: true }));

  it('finds nothing wrong with what came about', () => {
    assert(contents.size > 0, 'Nothing was there in the end');
    assert.equal(judge(history, contents), 'linearizable');
  });

  it('finds every read that is made to show what nobody wrote', () => {
    const reads = history.filter(({ command, reply }) => {
      return command[0] === 'GET' && typeof reply === 'string';
    });
    assert(reads.length > 10, `${reads.length} reads`);
    for (const read of reads) {
      const wrong = history.map((each) =>
        each === read ? { ...read, reply: 'unheard of' } : each,
      );
      assert.throws(() => judge(wrong, contents), JSON.stringify(read));
    }
  });

  it('finds an acknowledged write that is not there in the end', () => {
    const [key] = [...contents.keys()];
    const without = new Map([...contents].filter(([each]) => each !== key));
    assert.throws(() => judge(history, without));
  });
});
