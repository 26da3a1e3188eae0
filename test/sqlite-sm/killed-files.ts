// Files of a process that is killed at a chosen step. From then on nothing happens any more, whatever
// the dying program tries.

import * as fs from 'node:fs';
import { basename } from 'node:path';
import type { MachineFiles } from '../../sqlite-sm/index.js';
import { realFiles } from './machine-fixture.js';

/** `before` and `after` the step; of a copy also when half of it is done. */
export type Moment = 'before' | 'halfway' | 'after';

export class KilledFiles {
  readonly files: MachineFiles;
  /** What was begun, as in `unlink live.db-wal`. */
  readonly steps: string[] = [];
  #isKilled = false;

  /** `at` is a position in `steps`; none: nobody is killed. */
  constructor(at?: number, moment: Moment = 'before') {
    const step = (name: string, work: () => void, half = (): void => {}): void => {
      if (this.#isKilled) throw new Error('killed');
      this.steps.push(name);
      this.#isKilled = this.steps.length - 1 === at;
      if (!this.#isKilled || moment === 'after') work();
      else if (moment === 'halfway') half();
      if (this.#isKilled) throw new Error('killed');
    };
    const copy = (source: string, target: string): void => {
      const bytes = fs.readFileSync(source);
      step(
        `copy ${basename(source)} ${basename(target)}`,
        () => fs.writeFileSync(target, bytes),
        () => fs.writeFileSync(target, bytes.subarray(0, bytes.length / 2)),
      );
    };
    this.files = {
      ...realFiles,
      unlinkDurably: (path) =>
        step(`unlink ${basename(path)}`, () => realFiles.unlinkDurably(path)),
      writeFileDurably: (path, bytes) =>
        step(`write ${basename(path)}`, () => realFiles.writeFileDurably(path, bytes)),
      copySync: (source, target) => copy(source, target),
      copy: (source, target, done) => {
        setImmediate(() => {
          try {
            copy(source, target);
          } catch (error) {
            return done(error as Error);
          }
          done(undefined);
        });
      },
    };
  }
}
