import assert from 'node:assert/strict';
import { resolveRaftOptions } from '../../../raft/index.js';
import { retryMs } from '../../../raft/snapshot/schedule.js';
import { Snapshotter } from '../../../raft/snapshot/snapshotter.js';
import type { SnapshotStore } from '../../../raft/snapshot/store.js';
import type { StateMachine } from '../../../raft/state-machine.js';

/** A state of one entry, behind which the log has grown. Counts what it is asked to write. */
class World {
  whyNoRoom: string | undefined;
  nowMs = 0;
  written = 0;
  readonly said: string[] = [];
  readonly snapshotter: Snapshotter;

  constructor() {
    const machine = {
      appliedIndex: 1,
      writeSnapshot: () => {
        this.written += 1;
      },
    };
    this.snapshotter = new Snapshotter({
      machine: machine as unknown as StateMachine,
      store: { newest: undefined, begin: () => '/tmp-1' } as unknown as SnapshotStore,
      journal: { bytesBehind: () => 2 },
      options: resolveRaftOptions({ snapshotMinLogSize: 1 }),
      clock: { wallMs: () => this.nowMs, monotonicMs: () => this.nowMs },
      membershipAt: () => assert.fail(),
      whyNot: () => undefined,
      whyNoRoom: () => this.whyNoRoom,
      onTaken: () => {},
      onEvent: (event) => {
        this.said.push(event.kind === 'failed' ? event.error.message : event.kind);
      },
    });
  }
}

describe('Snapshotter without room', () => {
  const message = 'There is no room for a snapshot: it is large';

  it('puts a snapshot off, says so, and tries again later', () => {
    const world = new World();
    world.whyNoRoom = 'it is large';
    world.snapshotter.maybeTake();
    world.snapshotter.maybeTake();
    assert.deepEqual(world.said, [message], 'told once, and not begun');
    assert.equal(world.snapshotter.status.lastError, message);
    assert.equal(world.snapshotter.status.isTaking, false);
    assert.equal(world.written, 0);
    world.whyNoRoom = undefined;
    world.nowMs = retryMs - 1;
    world.snapshotter.maybeTake();
    assert.equal(world.written, 0);
    world.nowMs = retryMs;
    world.snapshotter.maybeTake();
    assert.equal(world.written, 1);
    assert.deepEqual(world.said, [message, 'begun']);
  });

  it('tells whoever asks for one', () => {
    const world = new World();
    world.whyNoRoom = 'it is large';
    let heard: Error | undefined;
    world.snapshotter.take((error) => {
      heard = error;
    });
    assert.equal(heard?.message, message);
    assert.equal(world.written, 0);
  });
});
