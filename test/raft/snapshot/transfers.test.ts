// Who sends a snapshot to whom, how often, and what becomes of a transfer whose time is over.
//
// Checklist: 36, 38, 39.

import assert from 'node:assert/strict';
import type { ReplicaId } from '../../../raft/core/index.js';
import type { Snapshot } from '../../../raft/snapshot/store.js';
import { SnapshotTransfers } from '../../../raft/snapshot/transfer/transfers.js';
import { SimConnection } from '../../faults/sim-connection.js';
import { SimWorld } from '../../faults/sim-world.js';
import {
  assertWhole,
  followerId,
  leaderId,
  Machine,
  manifestOf,
  publish,
  ReceivingStore,
  totalBytes,
} from './transfer-ends.js';

const thirdId = 'c'.repeat(40);

class Peer {
  readonly machine: Machine;
  readonly transfers: SnapshotTransfers;
  readonly receiving: ReceivingStore;
  readonly events: string[] = [];
  readonly installed: Snapshot[] = [];
  readonly sent: (readonly [ReplicaId, boolean])[] = [];
  readonly unfit: (Snapshot | undefined)[] = [];
  /** Snapshots that are held. */
  held = 0;
  /** How far the followers have its log. */
  match = 100;
  readonly store: {
    newest: Snapshot | undefined;
    readonly acquire: () => () => void;
    readonly receivingDirectory: ReceivingStore['receivingDirectory'];
    readonly adopt: ReceivingStore['adopt'];
  };
  refusal: string | undefined;

  constructor(story: Story, replicaId: ReplicaId) {
    this.machine = new Machine(story.world, replicaId);
    this.receiving = new ReceivingStore(story.world, this.machine);
    this.store = {
      newest: undefined,
      acquire: () => {
        this.held += 1;
        return () => {
          this.held -= 1;
        };
      },
      receivingDirectory: (manifest) => this.receiving.receivingDirectory(manifest),
      adopt: (...args) => this.receiving.adopt(...args),
    };
    const { identity, files, pool, timers, clock } = this.machine;
    this.transfers = new SnapshotTransfers({
      identity,
      transport: {
        connectForSnapshot: (to, done) => story.connect(replicaId, to, done),
      },
      store: this.store,
      files,
      pool,
      timers,
      clock,
      refusal: () => this.refusal,
      install: (snapshot, done) => {
        this.installed.push(snapshot);
        done(undefined);
      },
      matchOf: () => this.match,
      onUnfit: (snapshot) => this.unfit.push(snapshot),
      onSent: (to, isInstalled) => this.sent.push([to, isInstalled]),
      onHeard: () => {},
      onEvent: (level, text) => this.events.push(`${level}: ${text}`),
    });
  }
}

class Story {
  readonly world = new SimWorld(1);
  readonly leader = new Peer(this, leaderId);
  readonly follower = new Peer(this, followerId);
  readonly third = new Peer(this, thirdId);
  readonly connections: SimConnection[] = [];
  isUnreachable = false;

  constructor() {
    this.leader.store.newest = publish(this.leader.machine);
  }

  connect(
    from: ReplicaId,
    to: ReplicaId,
    done: (error: Error | undefined, connection: SimConnection | undefined) => void,
  ): void {
    this.world.after(1, () => {
      if (this.isUnreachable) return done(new Error('nobody is there'), undefined);
      const [dialled, accepted] = SimConnection.pair(this.world);
      this.connections.push(dialled);
      const peer = [this.leader, this.follower, this.third].find(
        ({ machine }) => machine.identity.replicaId === to,
      );
      peer!.transfers.receive(from, accepted);
      done(undefined, dialled);
    });
  }

  until(isTrue: () => boolean, what: string): void {
    assert(this.world.run(60_000, isTrue), `It never happened: ${what}`);
  }
}

describe('SnapshotTransfers', () => {
  it('send the newest snapshot, once per follower, to several at once', () => {
    const story = new Story();
    const { leader, follower, third } = story;
    for (const to of [followerId, thirdId, followerId]) leader.transfers.send(to, 3);
    story.until(() => leader.transfers.all.length === 2, 'both under way');
    leader.transfers.send(followerId, 3);
    story.until(() => leader.sent.length === 2, 'both are installed');
    assert.deepEqual(
      leader.sent.map(([, isInstalled]) => isInstalled),
      [true, true],
    );
    for (const { machine, installed } of [follower, third]) {
      assert.equal(installed.length, 1);
      assertWhole(machine, installed[0]);
    }
    assert.equal(story.connections.length, 2);
    assert.deepEqual(leader.transfers.all, []);
    story.until(() => leader.held === 0, 'the snapshot is let go');
  });

  it('hold the snapshot while it is sent, and tell how far they are', () => {
    const story = new Story();
    const { leader, follower } = story;
    follower.machine.diskMsMax = 4_000;
    leader.transfers.send(followerId, 3);
    story.until(() => (leader.transfers.all[0]?.doneBytes ?? 0) > 0, 'progress');
    assert.equal(leader.held, 1);
    const [sending] = leader.transfers.all;
    const [receiving] = follower.transfers.all;
    assert.deepEqual(
      [sending?.direction, sending?.peer, sending?.totalBytes],
      ['sending', followerId, totalBytes],
    );
    assert.deepEqual(
      [receiving?.direction, receiving?.peer, receiving?.totalBytes],
      ['receiving', leaderId, totalBytes],
    );
    assert(follower.transfers.isReceiving);
    story.until(() => leader.sent.length === 1, 'the end');
    story.until(() => leader.held === 0, 'the snapshot is let go');
    assert(!follower.transfers.isReceiving);
    assert(
      leader.events.some((text) => /sending a snapshot to replica b+: \d+ % of 3 MiB/.test(text)),
    );
    assert(
      follower.events.some((text) => /receiving a snapshot from replica a+: \d+ %/.test(text)),
    );
    assert.match(
      leader.events[0]!,
      /^info: sending the snapshot of index 100 \(3 MiB\) to replica b/,
    );
    assert.match(
      leader.events.at(-1)!,
      /^info: replica b+ has installed the snapshot of index 100/,
    );
    assert.match(
      follower.events.at(-1)!,
      /^info: installed the snapshot of index 100 from replica a/,
    );
  });

  it('hold the snapshot until the follower has what the newest one has', () => {
    const story = new Story();
    const { leader } = story;
    leader.transfers.send(followerId, 3);
    story.until(() => leader.sent.length === 1, 'the end');
    const { path } = leader.store.newest!;
    leader.store.newest = { path, manifest: manifestOf({ index: 500 }) };
    for (leader.match = 101; leader.match < 120; leader.match += 1) {
      story.world.run(5_000);
      assert.equal(leader.held, 1, `${leader.match} of 500`);
    }
    leader.match = 500;
    story.until(() => leader.held === 0, 'the snapshot is let go');
  });

  it('do not hold the snapshot for a follower that comes no nearer', () => {
    const story = new Story();
    const { leader } = story;
    leader.match = 0;
    leader.transfers.send(followerId, 3);
    story.until(() => leader.sent.length === 1, 'the end');
    story.world.run(5_000);
    assert.equal(leader.held, 1);
    story.until(() => leader.held === 0, 'the snapshot is let go');
    // Nor when it has to be sent another one.
    leader.transfers.send(followerId, 3);
    story.until(() => leader.sent.length === 2, 'the end');
    leader.transfers.stopSending();
    assert.equal(leader.held, 0);
  });

  it('try again, ever less often, and tell the core when the pause is over', () => {
    const story = new Story();
    const { leader } = story;
    story.isUnreachable = true;
    const atMs: number[] = [];
    for (let attempt = 0; attempt < 6; attempt += 1) {
      leader.transfers.send(followerId, 3);
      story.until(() => leader.sent.length === attempt + 1, 'a failure');
      assert.deepEqual(leader.sent.at(-1), [followerId, false]);
      atMs.push(story.world.nowMs);
    }
    const pauses = atMs.slice(1).map((ms, at) => Math.round((ms - atMs[at]!) / 1000));
    assert.deepEqual(pauses, [2, 4, 8, 10, 10]);
    assert.match(
      leader.events[0]!,
      /^warn: sending a snapshot .* failed: nobody is there; again in 1 s/,
    );
    story.isUnreachable = false;
    leader.transfers.send(followerId, 3);
    story.until(() => leader.sent.at(-1)?.[1] === true, 'a success');
  });

  it('fail with a sentence when there is no snapshot, and ask for one', () => {
    const story = new Story();
    story.leader.store.newest = undefined;
    story.leader.transfers.send(followerId, 3);
    story.until(() => story.leader.sent.length === 1, 'a failure');
    assert.match(story.leader.events[0]!, /failed: there is none/);
    assert.deepEqual(story.leader.unfit, [undefined]);
  });

  it('ask for another snapshot when theirs has rotted, and only then', () => {
    const story = new Story();
    const { leader } = story;
    story.isUnreachable = true;
    leader.transfers.send(followerId, 3);
    story.until(() => leader.sent.length === 1, 'a failure');
    assert.deepEqual(leader.unfit, []);
    story.isUnreachable = false;
    leader.machine.files.flip(`${leader.store.newest!.path}/data.db`, 10);
    leader.transfers.send(followerId, 3);
    story.until(() => leader.sent.length === 2, 'another failure');
    assert.match(leader.events.at(-1)!, /data\.db has changed on disk/);
    assert.deepEqual(leader.unfit, [leader.store.newest]);
  });

  it('stop with the leadership, wherever they are', () => {
    for (const stage of ['connecting', 'under way', 'waiting to try again']) {
      const story = new Story();
      const { leader } = story;
      if (stage === 'waiting to try again') story.isUnreachable = true;
      leader.transfers.send(followerId, 3);
      if (stage === 'under way') story.until(() => leader.held === 1, stage);
      if (stage === 'waiting to try again') story.until(() => leader.events.length === 1, stage);
      leader.transfers.stopSending();
      story.isUnreachable = false;
      story.world.run(60_000);
      assert.deepEqual(leader.sent, [], stage);
      assert.deepEqual(story.follower.installed, [], stage);
      assert.equal(leader.held, 0, stage);
      assert.equal(leader.machine.blocksInUse, 0, stage);
      // A later leadership sends all the same.
      leader.transfers.send(followerId, 5);
      story.until(() => story.follower.installed.length === 1, 'installed');
    }
  });

  it('send what is the newest when they begin again', () => {
    const story = new Story();
    const { leader, follower } = story;
    leader.transfers.send(followerId, 3);
    story.until(() => leader.held === 1, 'under way');
    story.connections[0]!.cut();
    const { path } = leader.store.newest!;
    const manifest = manifestOf({ snapshotId: '8'.repeat(32), index: 200 });
    leader.store.newest = { path, manifest };
    story.until(() => leader.sent.length === 1, 'a failure');
    leader.transfers.send(followerId, 3);
    story.until(() => leader.sent.length === 2, 'the end');
    assert.equal(follower.installed[0]?.manifest.index, 200);
  });

  it('are told why the follower does not want one', () => {
    const story = new Story();
    story.follower.refusal = 'it is term 9 here';
    story.leader.transfers.send(followerId, 3);
    story.until(() => story.leader.sent.length === 1, 'a failure');
    assert.match(story.leader.events.at(-1)!, /failed: it is term 9 here; again/);
    // Not its trouble.
    assert.deepEqual(story.follower.events, []);
  });

  it('receive from one sender: the newer one takes over', () => {
    const story = new Story();
    const { leader, follower, third } = story;
    third.store.newest = publish(third.machine);
    follower.machine.diskMsMax = 500;
    leader.transfers.send(followerId, 3);
    story.until(() => follower.transfers.all.length === 1, 'the first one');
    third.transfers.send(followerId, 4);
    story.until(() => follower.transfers.all[0]?.peer === thirdId, 'the second one');
    assert.equal(follower.transfers.all.length, 1);
    story.until(() => third.sent.length === 1, 'installed');
    assert.deepEqual(third.sent, [[followerId, true]]);
    assert.equal(follower.installed.length, 1);
    assertWhole(follower.machine, follower.installed[0]);
    story.until(() => leader.sent.length === 1, 'the first one fails');
    assert.deepEqual(leader.sent, [[followerId, false]]);
  });

  it('refuse another one while a whole one is about to be installed', () => {
    const story = new Story();
    const { leader, follower, third } = story;
    third.store.newest = publish(third.machine);
    let finish = (): void => assert.fail('nothing is adopted');
    const adopt = follower.receiving.adopt.bind(follower.receiving);
    follower.receiving.adopt = (...args) => {
      finish = () => adopt(...args);
    };
    leader.transfers.send(followerId, 3);
    story.until(() => leader.transfers.all[0]?.doneBytes === totalBytes, 'all of it');
    story.world.run(100);
    third.transfers.send(followerId, 4);
    story.until(() => third.sent.length === 1, 'a refusal');
    assert.match(third.events.at(-1)!, /it is about to install another snapshot/);
    finish();
    story.until(() => leader.sent.length === 1, 'installed');
    assert.equal(follower.installed.length, 1);
  });

  it('end when the replica stops, on both sides', () => {
    const story = new Story();
    const { leader, follower } = story;
    leader.transfers.send(followerId, 3);
    story.until(() => follower.transfers.isReceiving, 'under way');
    follower.transfers.stop();
    assert.deepEqual(follower.transfers.all, []);
    story.until(() => leader.sent.length === 1, 'the sender hears of it');
    leader.transfers.stop();
    leader.transfers.send(followerId, 3);
    story.world.run(60_000);
    assert.equal(leader.sent.length, 1);
    assert.equal(follower.machine.blocksInUse + leader.machine.blocksInUse, 0);
  });
});
