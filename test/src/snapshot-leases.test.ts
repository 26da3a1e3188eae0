import assert from 'node:assert/strict';
import type { Snapshot } from '../../raft/index.js';
import { SnapshotLeases } from '../../src/snapshot-leases.js';

const snapshot = { path: '/s', manifest: { snapshotId: 'a' } } as unknown as Snapshot;

describe('Leases of snapshots', () => {
  let timers: Map<number, () => void>;
  let held: number;
  let leases: SnapshotLeases;

  beforeEach(() => {
    timers = new Map();
    held = 0;
    let next = 0;
    leases = new SnapshotLeases(
      () => {
        held += 1;
        return () => {
          held -= 1;
        };
      },
      {
        after(_ms, callback) {
          next += 1;
          const id = next;
          timers.set(id, callback);
          return () => timers.delete(id);
        },
      },
    );
  });

  function timePasses(): void {
    for (const [id, callback] of [...timers]) {
      timers.delete(id);
      callback();
    }
  }

  it('keep a snapshot from begin to end', () => {
    leases.begin(snapshot);
    assert.equal(held, 1);
    assert.equal(leases.use('a'), snapshot);
    assert(leases.end('a'));
    assert.equal(held, 0);
    assert.equal(leases.use('a'), undefined);
    assert(!leases.end('a'));
    assert.equal(timers.size, 0);
  });

  it('end by themselves when nobody reads', () => {
    leases.begin(snapshot);
    timePasses();
    assert.equal(held, 0);
    assert.equal(leases.use('a'), undefined);
  });

  it('have one timer, which a read sets back', () => {
    leases.begin(snapshot);
    leases.use('a');
    leases.use('a');
    assert.equal(timers.size, 1);
    assert.equal(held, 1);
  });

  it('last until the last of two backups ends', () => {
    leases.begin(snapshot);
    leases.begin(snapshot);
    assert.equal(held, 1);
    assert(leases.end('a'));
    assert.equal(held, 1);
    assert(leases.end('a'));
    assert.equal(held, 0);
  });

  it('are all given back at a stop', () => {
    leases.begin(snapshot);
    leases.stop();
    assert.equal(held, 0);
    assert.equal(timers.size, 0);
  });
});
