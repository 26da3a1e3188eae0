import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import { join } from 'node:path';
import { lockDirectory, lockForReading } from '../../src/directory-lock.js';

describe('The lock of a directory', () => {
  let directory: string;

  beforeEach(() => {
    directory = fs.mkdtempSync(join(os.tmpdir(), 'holt-lock-'));
  });
  afterEach(() => fs.rmSync(directory, { recursive: true }));

  it('is had by one server', () => {
    const unlock = lockDirectory(directory);
    assert.throws(() => lockDirectory(directory), { name: 'DirectoryError', message: /another/ });
    unlock();
    lockDirectory(directory)();
  });

  it('keeps readers and servers apart, and readers not', () => {
    const unlock = lockDirectory(directory);
    assert.throws(() => lockForReading(directory), {
      name: 'DirectoryError',
      message: /a server is running on it/,
    });
    unlock();
    const unlocks = [lockForReading(directory), lockForReading(directory)];
    assert.throws(() => lockDirectory(directory), { message: /another server is running/ });
    for (const release of unlocks) release();
    lockDirectory(directory)();
  });

  it('that cannot be taken for another reason is not said to be had by a server', () => {
    // A full disk does the same, and takes a mount of its own.
    fs.writeFileSync(join(directory, 'lock'), 'no database'.repeat(1000));
    for (const lock of [lockDirectory, lockForReading]) {
      assert.throws(() => lock(directory), {
        name: 'DirectoryError',
        message: `Cannot take the lock of "${directory}": file is not a database`,
      });
    }
  });

  it('is not made by a reader, nor changed', () => {
    lockForReading(directory)();
    assert.deepEqual(fs.readdirSync(directory), []);
    lockDirectory(directory)();
    const path = join(directory, 'lock');
    const before = [fs.statSync(path).mtimeMs, fs.statSync(directory).mtimeMs];
    const unlock = lockForReading(directory);
    assert.deepEqual(fs.readdirSync(directory), ['lock']);
    unlock();
    assert.deepEqual([fs.statSync(path).mtimeMs, fs.statSync(directory).mtimeMs], before);
  });
});
