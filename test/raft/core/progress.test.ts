import assert from 'node:assert/strict';
import { Progress } from '../../../raft/core/index.js';

const limits = { inFlightMax: 2, inFlightBytesMax: 100 };

/** The leader's log ends at 10, so its first guess is the entry after that. */
function probing(next = 11): Progress {
  return new Progress(next);
}

/** An acknowledgement up to `index` from a follower that has received up to `hintIndex`. */
function accept(progress: Progress, index: number, hintIndex = index): boolean {
  return progress.onAccepted({ index, hintIndex, incarnation: 1 });
}

/** Acknowledged up to 5. */
function replicating(): Progress {
  const progress = probing(6);
  progress.onSent(5, 0);
  accept(progress, 5);
  assert.equal(progress.state.kind, 'replicate');
  return progress;
}

describe('Progress of a follower that is probed', () => {
  it('has one guess under way at a time', () => {
    const progress = probing();
    assert(progress.mayAppend(limits));
    progress.onSent(10, 0);
    assert(!progress.mayAppend(limits));
    assert.equal(progress.next, 11);
  });

  it('is streamed to when the guess is confirmed, also when nothing new is acknowledged', () => {
    const progress = probing(1);
    progress.onSent(0, 0);
    assert.equal(accept(progress, 0), false);
    assert.deepEqual([progress.state.kind, progress.match, progress.next], ['replicate', 0, 1]);
  });

  it('is not sent the entries of the guess again while they are being written', () => {
    const progress = probing(6);
    progress.onSent(9, 40);
    assert.equal(accept(progress, 5, 9), true);
    assert.deepEqual([progress.match, progress.next], [5, 10]);
    progress.onSent(12, 30);
    assert(!progress.mayAppend(limits));
    accept(progress, 9);
    assert(progress.mayAppend(limits));
  });

  it('is asked without entries when the guess is made again', () => {
    const progress = probing(6);
    assert(!progress.isRepeat);
    progress.onSent(9, 40);
    progress.onTick(10);
    progress.onAlive(1);
    assert(progress.isRepeat);
    assert(progress.mayAppend(limits));
    progress.onLinkLost();
    assert(!progress.isRepeat, 'they are lost with the link');
  });

  it('is sent the entries of the guess again when it has not received them', () => {
    const progress = probing(6);
    progress.onSent(9, 40);
    accept(progress, 5);
    assert.deepEqual([progress.state.kind, progress.next], ['replicate', 6]);
  });

  it('is sent everything after an old acknowledgement that says nothing of the guess', () => {
    const progress = replicating();
    progress.onLinkLost();
    progress.next = 9;
    progress.onSent(12, 40);
    accept(progress, 5);
    assert.deepEqual([progress.state.kind, progress.next], ['replicate', 6]);
  });

  it('moves back to the hint of a rejection, and may be asked again', () => {
    const progress = probing();
    progress.onSent(10, 0);
    assert(progress.onRejected(10, 6));
    assert.equal(progress.next, 7);
    assert(progress.mayAppend(limits));
  });

  it('moves back by one at least, and never to what is acknowledged', () => {
    const progress = probing();
    assert(progress.onRejected(10, 10));
    assert.equal(progress.next, 10);
    const known = replicating();
    known.onLinkLost();
    known.next = 9;
    assert(known.onRejected(8, 2));
    assert.equal(known.next, 6);
  });

  it('ignores the rejection of another guess', () => {
    const progress = probing();
    progress.onSent(10, 0);
    assert(!progress.onRejected(8, 3));
    assert.equal(progress.next, 11);
    assert(!progress.mayAppend(limits));
  });

  it('is asked again when it is alive and the guess has been silent for long enough', () => {
    const progress = probing();
    progress.onSent(10, 0);
    progress.onAlive(2);
    progress.onTick(10);
    progress.onAlive(2);
    assert(!progress.mayAppend(limits));
    progress.onTick(10);
    progress.onAlive(2);
    assert(progress.mayAppend(limits));
    progress.onSent(10, 0);
    progress.onAlive(2);
    assert(!progress.mayAppend(limits), 'the new guess has a time of its own');
  });

  it('is asked again at once after its link was lost', () => {
    const progress = probing();
    progress.onSent(10, 0);
    progress.onLinkLost();
    assert(progress.mayAppend(limits));
  });
});

describe('Progress of a follower that is streamed to', () => {
  it('advances with what is sent, not with what is acknowledged', () => {
    const progress = replicating();
    progress.onSent(7, 10);
    assert.deepEqual([progress.match, progress.next], [5, 8]);
  });

  it('is bounded by messages in flight', () => {
    const progress = replicating();
    progress.onSent(6, 1);
    assert(progress.mayAppend(limits));
    progress.onSent(7, 1);
    assert(!progress.mayAppend(limits));
    assert(accept(progress, 6));
    assert(progress.mayAppend(limits));
  });

  it('is bounded by bytes in flight', () => {
    const progress = replicating();
    progress.onSent(6, 100);
    assert(!progress.mayAppend(limits));
    accept(progress, 6);
    assert(progress.mayAppend(limits));
  });

  it('frees every message that an acknowledgement covers', () => {
    const progress = replicating();
    progress.onSent(6, 60);
    progress.onSent(8, 60);
    accept(progress, 7);
    assert(progress.mayAppend(limits), 'one message and 60 bytes are left');
    accept(progress, 8);
    assert.deepEqual([progress.match, progress.next], [8, 9]);
  });

  it('ignores late and repeated acknowledgements', () => {
    const progress = replicating();
    assert(!accept(progress, 4));
    assert(!accept(progress, 5));
    assert.deepEqual([progress.match, progress.next], [5, 6]);
  });

  it('is probed again after a rejection above what it acknowledged', () => {
    const progress = replicating();
    progress.onSent(8, 10);
    assert(!progress.onRejected(5, 3), 'an old one');
    assert.equal(progress.state.kind, 'replicate');
    assert(progress.onRejected(8, 3));
    assert.deepEqual([progress.state.kind, progress.next], ['probe', 6]);
  });

  it('is probed again when nothing comes back for the window', () => {
    const progress = replicating();
    for (let tick = 0; tick < 20; tick += 1) progress.onTick(10);
    assert.equal(progress.state.kind, 'replicate', 'an empty window is not silence');
    progress.onSent(6, 1);
    progress.onSent(7, 1);
    for (let tick = 0; tick < 9; tick += 1) progress.onTick(10);
    accept(progress, 6);
    for (let tick = 0; tick < 9; tick += 1) progress.onTick(10);
    assert.equal(progress.state.kind, 'replicate', 'the window has moved meanwhile');
    progress.onTick(10);
    assert.deepEqual([progress.state.kind, progress.next], ['probe', 7]);
  });

  it('is silent since it was last heard, and always before', () => {
    const progress = replicating();
    assert.equal(progress.unheardTicks, Number.POSITIVE_INFINITY);
    progress.onHeard();
    for (let tick = 0; tick < 3; tick += 1) progress.onTick(10);
    assert.equal(progress.unheardTicks, 3);
  });

  it('is probed again after its link was lost', () => {
    const progress = replicating();
    progress.onSent(9, 1);
    progress.onLinkLost();
    assert.deepEqual([progress.state.kind, progress.next], ['probe', 6]);
    assert(progress.mayAppend(limits));
  });
});

describe('Progress of a follower that cannot be appended to', () => {
  it('waits for a snapshot, and is streamed to when it acknowledges more', () => {
    const progress = replicating();
    progress.becomeSnapshot();
    progress.onLinkLost();
    progress.onAlive(0);
    assert(!progress.mayAppend(limits));
    assert(!progress.onRejected(7, 3));
    accept(progress, 5);
    assert.equal(progress.state.kind, 'snapshot', 'what it had is not the snapshot');
    accept(progress, 40);
    assert.deepEqual([progress.state.kind, progress.match, progress.next], ['replicate', 40, 41]);
  });

  it('counts for nothing once it is refused', () => {
    const progress = replicating();
    progress.becomeRefused();
    progress.onLinkLost();
    progress.onAlive(0);
    assert.deepEqual([progress.state.kind, progress.match], ['refused', 0]);
    assert(!progress.mayAppend(limits));
  });

  it('asserts that nobody sends to it', () => {
    const progress = replicating();
    progress.becomeRefused();
    assert.throws(() => progress.onSent(6, 1));
  });

  it('is asked again where its log ends when the transfer is over', () => {
    for (const isInstalled of [true, false]) {
      const progress = replicating();
      progress.becomeSnapshot();
      progress.onSnapshotEnded(isInstalled);
      assert.equal(progress.state.kind, 'probe');
      assert.equal(progress.next, 6);
      assert(progress.mayAppend(limits));
      assert.equal(progress.isRepeat, !isInstalled, 'entries leave only when they may be of use');
    }
  });

  it('is not disturbed by a transfer that ends late', () => {
    const progress = replicating();
    progress.onSnapshotEnded(true);
    progress.onSnapshotEnded(false);
    assert.deepEqual([progress.state.kind, progress.next], ['replicate', 6]);
  });
});
