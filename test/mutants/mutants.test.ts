import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import { join } from 'node:path';
import { allMutants, copyBuild, filesOf, plant, uproot } from './mutant.js';

describe('Deliberate bugs', function () {
  this.timeout(120_000);
  const mutants = allMutants();
  let directory: string;

  before(() => {
    directory = fs.mkdtempSync(join(os.tmpdir(), 'holt-mutants-'));
    copyBuild(join(directory, 'build'));
  });

  after(() => fs.rmSync(directory, { recursive: true, force: true }));

  for (const mutant of mutants) {
    it(`fit the build: ${mutant.name}`, () => {
      const copy = join(directory, 'build');
      assert.match(mutant.text, /\.$/, 'Its patch begins with sentences that say what the bug is');
      plant(mutant, copy);
      try {
        for (const file of filesOf(mutant)) {
          execFileSync(process.execPath, ['--check', join(copy, 'dist', file)], { stdio: 'pipe' });
        }
      } finally {
        uproot(mutant, copy);
      }
    });
  }
});
