import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import { join } from 'node:path';
import { machineFiles } from '../../src/files.js';

describe('machineFiles', () => {
  let directory: string;
  let source: string;
  let target: string;
  /** More than two slices of the synchronous copy, and no whole number of them. */
  const bytes = Buffer.alloc(20 * 1024 * 1024 + 5, 'some bytes that are not all the same ');

  beforeEach(() => {
    directory = fs.mkdtempSync(join(os.tmpdir(), 'holt-files-'));
    source = join(directory, 'source');
    target = join(directory, 'target');
    fs.writeFileSync(source, bytes);
  });
  afterEach(() => fs.rmSync(directory, { recursive: true }));

  const copyAsync = (): Promise<void> =>
    new Promise((resolve, reject) => {
      machineFiles.copy(source, target, (error) => (error ? reject(error) : resolve()));
    });

  it('copies a file beside everything else', async () => {
    await copyAsync();
    assert(fs.readFileSync(target).equals(bytes));
  });

  it('copies a file at a start, and says how far it is', () => {
    const progress: number[] = [];
    machineFiles.copySync(source, target, (copied, total) => {
      assert.equal(total, bytes.length);
      progress.push(copied);
    });
    assert(fs.readFileSync(target).equals(bytes));
    // A file system that shares blocks is done at once.
    if (progress.length > 0) assert.equal(progress.at(-1), bytes.length);
    assert.deepEqual(
      progress,
      progress.toSorted((a, b) => a - b),
    );
  });

  it('copies over nothing that is there', async () => {
    fs.writeFileSync(target, 'precious');
    await assert.rejects(copyAsync(), /EEXIST/);
    assert.throws(() => machineFiles.copySync(source, target, () => {}), /EEXIST/);
    assert.equal(fs.readFileSync(target, 'utf8'), 'precious');
  });

  it('tells when there is nothing to copy', async () => {
    fs.rmSync(source);
    await assert.rejects(copyAsync(), /ENOENT/);
    assert.throws(() => machineFiles.copySync(source, target, () => {}), /ENOENT/);
    assert(!fs.existsSync(target));
  });

  it('tells size and modification, or that there is no file', () => {
    const before = machineFiles.stat(source);
    assert.equal(before?.byteLength, bytes.length);
    fs.utimesSync(source, 1, 1);
    const after = machineFiles.stat(source);
    assert.equal(after?.modifiedNs, 1_000_000_000n);
    assert.equal(after?.inode, before?.inode);
    assert.equal(machineFiles.stat(target), undefined);
  });
});
