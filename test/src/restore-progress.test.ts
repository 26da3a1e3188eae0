import assert from 'node:assert/strict';
import { restoreProgress } from '../../src/restore-progress.js';

describe('restoreProgress', () => {
  function reports(totalBytes: number, sliceBytes: number): number[] {
    const percents: number[] = [];
    const onProgress = restoreProgress(({ percent }) => percents.push(percent));
    for (let copied = 0; copied < totalBytes; ) {
      copied = Math.min(copied + sliceBytes, totalBytes);
      onProgress(copied, totalBytes);
    }
    return percents;
  }

  it('speaks when another tenth is done', () => {
    assert.deepEqual(reports(1000, 1), [0, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100]);
  });

  it('speaks once a slice at most', () => {
    assert.deepEqual(reports(1000, 330), [33, 66, 99, 100]);
    assert.deepEqual(reports(7, 8), [100]);
  });
});
