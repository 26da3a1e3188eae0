// Files whose work in the background waits until a test lets it go on, a piece at a time, in whatever
// order; and fails where the test wants it to.
//
// A read that is under way has read half of what it was asked for: what is written meanwhile may be in
// the other half, as with a real one.

import assert from 'node:assert/strict';
import { basename } from 'node:path';
import type { FileDone, MachineFile, MachineFiles } from '../../sqlite-sm/index.js';
import { realFiles } from './machine-fixture.js';

export type Operation = 'open' | 'read' | 'write' | 'writeSync' | 'sync' | 'copy';

export class GatedFiles {
  readonly files: MachineFiles;
  /** Asked before every operation on a file; an error is what becomes of it. */
  fault: (operation: Operation, name: string) => Error | undefined = () => undefined;
  /** How often each operation was done, by `writeSync data.db` and the like. */
  readonly counts = new Map<string, number>();
  readonly #waiting: (() => void)[] = [];

  constructor() {
    this.files = {
      ...realFiles,
      open: (path, mode) => {
        this.#attempt('open', path, () => {});
        return this.#wrap(path, realFiles.open(path, mode));
      },
      copy: (source, target, done) => {
        this.#wait(done, () => this.#attempt('copy', target, () => copyWhole(source, target)));
      },
    };
  }

  /** Pieces of work that wait. */
  get pending(): number {
    return this.#waiting.length;
  }

  /** Lets one of them go on. */
  step(at = 0): void {
    const [work] = this.#waiting.splice(at, 1);
    assert(work !== undefined, 'Nothing is under way');
    work();
  }

  /** Lets everything go on that is under way, and what comes of it. */
  finish(): void {
    while (this.pending > 0) this.step();
  }

  #wrap(path: string, file: MachineFile): MachineFile {
    const half = (length: number): number => Math.floor(length / 2);
    return {
      read: (target, position, done) => {
        const middle = half(target.length);
        file.readSync(target.subarray(0, middle), position);
        this.#wait(done, () =>
          this.#attempt('read', path, () => {
            const read = file.readSync(target.subarray(middle), position + middle);
            if (read !== target.length - middle) throw new Error('the file ends too early');
          }),
        );
      },
      write: (sources, position, done) => {
        const bytes = Buffer.concat(sources);
        file.writeSync(bytes.subarray(0, half(bytes.length)), position);
        this.#wait(done, () =>
          this.#attempt('write', path, () => {
            assert(bytes.equals(Buffer.concat(sources)), 'Changed while it was being written');
            file.writeSync(bytes, position);
          }),
        );
      },
      sync: (done) => this.#wait(done, () => this.#attempt('sync', path, () => {})),
      readSync: (target, position) => file.readSync(target, position),
      writeSync: (source, position) =>
        this.#attempt('writeSync', path, () => file.writeSync(source, position)),
      closeSync: () => file.closeSync(),
    };
  }

  #wait(done: FileDone, work: () => void): void {
    this.#waiting.push(() => {
      let failure: Error | undefined;
      try {
        work();
      } catch (error) {
        failure = error as Error;
      }
      done(failure);
    });
  }

  #attempt(operation: Operation, path: string, work: () => void): void {
    const name = basename(path);
    const error = this.fault(operation, name);
    if (error !== undefined) throw error;
    work();
    const key = `${operation} ${name}`;
    this.counts.set(key, (this.counts.get(key) ?? 0) + 1);
  }
}

function copyWhole(source: string, target: string): void {
  realFiles.copySync(source, target, () => {});
}
