import assert from 'node:assert/strict';
import { assertRoom } from '../../bench/directory.js';

describe('bench: room on the disk', () => {
  it('of 20 GiB is enough', () => {
    assertRoom(20 * 1024 ** 3, 'data');
  });

  it('of less is refused with what there is and what is needed', () => {
    assert.throws(() => assertRoom(19.5 * 1024 ** 3, 'data'), {
      name: 'Trouble',
      message: /^19\.5 GiB are free in "data", and a run needs 20 GiB: make room/,
    });
  });
});
