// One snapshot from one disk to another, over a connection that a test meddles with. Whatever happens
// on the way, the receiver ends up with the whole snapshot or with nothing that is believed.
//
// Checklist: 34, 38, 40, 61, 63.

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import type { Snapshot } from '../../../raft/snapshot/store.js';
import {
  chunkBytes,
  encodeFrame,
  FrameReader,
  type TransferFrame,
  windowBytes,
} from '../../../raft/snapshot/transfer/frames.js';
import { SnapshotReceiver } from '../../../raft/snapshot/transfer/receiver.js';
import { SnapshotSender } from '../../../raft/snapshot/transfer/sender.js';
import { GarblingPool } from '../../faults/garbling-pool.js';
import { type Meddle, SimConnection } from '../../faults/sim-connection.js';
import { SimWorld } from '../../faults/sim-world.js';
import {
  assertWhole,
  contents,
  followerId,
  leaderId,
  Machine,
  manifestOf,
  publish,
  ReceivingStore,
  totalBytes,
} from './transfer-ends.js';

const chunkCount = 5;

type Ending = 'none yet' | 'installed' | { readonly trouble: string };

class Attempt {
  sender: SnapshotSender | undefined;
  receiver: SnapshotReceiver | undefined;
  senderEnding: Ending = 'none yet';
  receiverEnding: Ending = 'none yet';
  readonly connections: readonly [SimConnection, SimConnection];
  /** The most that was on its way or waited for the receiver's disk. Bytes. */
  underWayMax = 0;
  /** Frames that left the sender and the receiver, by kind. */
  readonly #said = new Map<string, number>();
  readonly #pool = new GarblingPool(chunkBytes);
  #chunkedBytes = 0;
  #storedBytes = 0;

  constructor(connections: readonly [SimConnection, SimConnection]) {
    this.connections = connections;
  }

  count(kind: TransferFrame['kind']): number {
    return this.#said.get(kind) ?? 0;
  }

  /** Takes note of a frame, and returns its kind. */
  listen(bytes: Buffer): TransferFrame['kind'] {
    let kind: TransferFrame['kind'] = 'alive';
    const reader = new FrameReader(this.#pool, (frame) => {
      kind = frame.kind;
      if (frame.kind === 'stored') this.#storedBytes = frame.byteLength;
      if (frame.kind !== 'chunk') return;
      this.#chunkedBytes += frame.bytes.length;
      frame.block.release();
    });
    assert.equal(reader.feed(bytes), undefined);
    this.#said.set(kind, this.count(kind) + 1);
    this.underWayMax = Math.max(this.underWayMax, this.#chunkedBytes - this.#storedBytes);
    return kind;
  }
}

type MeddleWithFrame = (
  kind: TransferFrame['kind'],
  /** The how manieth of its kind, from 1. */
  nth: number,
  bytes: Buffer,
) => ReturnType<Meddle>;

class Story {
  readonly world = new SimWorld(1);
  readonly leader = new Machine(this.world, leaderId);
  readonly follower = new Machine(this.world, followerId);
  readonly store = new ReceivingStore(this.world, this.follower);
  readonly snapshot: Snapshot;
  readonly installed: Snapshot[] = [];
  refusal: string | undefined;
  installRefusal: string | undefined;
  readonly #contents: ReadonlyMap<string, Buffer>;

  constructor(files = contents) {
    this.#contents = files;
    this.snapshot = publish(this.leader, files);
  }

  /** Begins a transfer; `meddle` is given every frame that leaves the sender. */
  begin(meddle: MeddleWithFrame = (_kind, _nth, bytes) => bytes): Attempt {
    const attempt = new Attempt(SimConnection.pair(this.world));
    const [atLeader, atFollower] = attempt.connections;
    atLeader.meddle = (bytes) => {
      const kind = attempt.listen(bytes);
      return meddle(kind, attempt.count(kind), bytes);
    };
    atFollower.meddle = (bytes) => {
      attempt.listen(bytes);
      return bytes;
    };
    attempt.receiver = this.receive(atFollower, (ending) => {
      attempt.receiverEnding = ending;
    });
    attempt.sender = this.send(atLeader, (ending) => {
      attempt.senderEnding = ending;
    });
    return attempt;
  }

  send(connection: SimConnection, onEnded: (ending: Ending) => void): SnapshotSender {
    const { files, pool, timers, clock } = this.leader;
    const sender = new SnapshotSender({
      snapshot: this.snapshot,
      term: 3,
      connection,
      files,
      pool,
      timers,
      clock,
      onProgress: () => {},
      onRotted: () => {},
      onEnded: onlyOnce(onEnded),
    });
    sender.start();
    return sender;
  }

  receive(connection: SimConnection, onEnded: (ending: Ending) => void): SnapshotReceiver {
    const { identity, files, pool, timers, clock } = this.follower;
    const receiver = new SnapshotReceiver({
      identity,
      connection,
      store: this.store,
      files,
      pool,
      timers,
      clock,
      refusal: () => this.refusal,
      install: (snapshot, done) => {
        this.world.after(3, () => {
          if (this.installRefusal === undefined) this.installed.push(snapshot);
          done(this.installRefusal);
        });
      },
      onHeard: () => {},
      onProgress: () => {},
      onEnded: onlyOnce(onEnded),
    });
    receiver.start();
    return receiver;
  }

  run(attempt: Attempt): void {
    const isOver = () =>
      attempt.senderEnding !== 'none yet' && attempt.receiverEnding !== 'none yet';
    assert(this.world.run(120_000, isOver), 'The transfer did not end');
    // What is still in flight: writes, reads, the last words.
    this.world.run(10_000);
  }

  /** A transfer without trouble brings everything, and holds nothing in memory afterwards. */
  finish(): Attempt {
    const attempt = this.begin();
    this.run(attempt);
    assert.deepEqual([attempt.senderEnding, attempt.receiverEnding], ['installed', 'installed']);
    assertWhole(this.follower, this.installed.at(-1), this.#contents);
    this.assertNothingHeld();
    return attempt;
  }

  assertNothingHeld(): void {
    assert.equal(this.leader.blocksInUse, 0, 'The sender holds buffers');
    assert.equal(this.follower.blocksInUse, 0, 'The receiver holds buffers');
  }
}

function onlyOnce(onEnded: (ending: Ending) => void): (trouble: string | undefined) => void {
  let isEnded = false;
  return (trouble) => {
    assert(!isEnded, 'It ended twice');
    isEnded = true;
    onEnded(trouble === undefined ? 'installed' : { trouble });
  };
}

function troubles(attempt: Attempt): string[] {
  return [attempt.senderEnding, attempt.receiverEnding].map((ending) =>
    typeof ending === 'string' ? ending : ending.trouble,
  );
}

function membershipWith(change: object): object {
  const [voter] = manifestOf().membership.voters;
  return { index: 0, voters: [{ ...voter, ...change }], learners: [] };
}

describe('Snapshot transfer', () => {
  it('brings every file, and tells both sides', () => {
    const story = new Story();
    const attempt = story.finish();
    assert.equal(attempt.count('chunk'), chunkCount);
    assert.equal(attempt.sender!.doneBytes, totalBytes);
    assert.equal(attempt.receiver!.doneBytes, totalBytes);
    assert.equal(story.installed.length, 1);
  });

  it('has no more under way than the window, however slow the disk of the receiver', () => {
    const story = new Story(new Map([['large.db', Buffer.alloc(20 * chunkBytes, 'large')]]));
    story.follower.diskMsMax = 100;
    const attempt = story.finish();
    assert.equal(attempt.count('chunk'), 20);
    assert(attempt.underWayMax <= windowBytes, `${attempt.underWayMax} bytes under way`);
    assert(attempt.underWayMax > windowBytes / 2, 'nothing was sent ahead');
  });

  it('goes on where it was cut, at every chunk', () => {
    for (let nth = 1; nth <= chunkCount; nth += 1) {
      const story = new Story();
      const first = story.begin((kind, at, bytes) =>
        kind === 'chunk' && at === nth ? 'cut' : bytes,
      );
      story.run(first);
      assert.match(troubles(first).join(), /the connection was lost: it broke/);
      assert.deepEqual(story.installed, []);
      story.finish();
    }
  });

  it('sums each file on its way, so that it need not be read again', () => {
    const story = new Story();
    story.finish();
    const { files } = story.snapshot.manifest;
    const wanted = files
      .filter(({ byteLength }) => byteLength > 0)
      .map(({ name, ...sum }) => [name, sum]);
    assert.deepEqual([...story.store.sums[0]!], wanted);
  });

  it('sums no file of which a part was here before', () => {
    const story = new Story();
    const first = story.begin();
    assert(story.world.run(10_000, () => first.count('stored') === 1));
    first.connections[0].cut();
    story.run(first);
    story.finish();
    assert.deepEqual([...story.store.sums[0]!.keys()], ['more.db']);
  });

  it('sums no file of which a chunk came in the place of another', () => {
    const story = new Story();
    // All of it is here, so that what is left out is not missing.
    const { manifest } = story.snapshot;
    const directory = story.store.receivingDirectory(manifest);
    story.follower.put(join(directory, 'data.db'), contents.get('data.db')!);
    const [first, second, _third, ...rest] = chunksOf(0, contents.get('data.db')!);
    playSender(story, [
      { kind: 'offer', term: 3, manifest: Buffer.from(JSON.stringify(manifest)) },
      first!,
      second!,
      second!,
      ...rest,
      ...chunksOf(2, contents.get('more.db')!),
      { kind: 'end' },
    ]);
    assert.deepEqual([...story.store.sums[0]!.keys()], ['more.db']);
  });

  it('does not send again what is on the disk of the receiver', () => {
    for (let nth = 1; nth < chunkCount; nth += 1) {
      const story = new Story();
      const first = story.begin();
      assert(story.world.run(10_000, () => first.count('stored') === nth));
      first.connections[0].cut();
      story.run(first);
      const second = story.finish();
      assert(second.count('chunk') <= chunkCount - nth, `${second.count('chunk')} chunks again`);
      assert.equal(second.sender!.doneBytes, totalBytes);
    }
  });

  it('goes on after the receiver lost its power, with what was told of as stored', () => {
    for (let nth = 2; nth <= chunkCount; nth += 1) {
      const story = new Story();
      let storedBytes = 0;
      const first = story.begin((kind, at, bytes) => {
        if (kind !== 'chunk' || at !== nth) return bytes;
        storedBytes = first.sender!.doneBytes;
        return 'cut';
      });
      story.world.run(10_000, () => first.receiverEnding !== 'none yet');
      story.follower.powerCut();
      story.run(first);
      const second = story.begin();
      story.run(second);
      assert.equal(second.receiverEnding, 'installed');
      assertWhole(story.follower, story.installed.at(-1));
      const sentAgain = second.connections[0].sentBytes;
      assert(sentAgain <= totalBytes - storedBytes + 10_000, `${sentAgain} of ${totalBytes}`);
    }
  });

  it('goes on after the receiver was killed in the middle of a write', () => {
    const story = new Story();
    const first = story.begin();
    assert(story.world.run(10_000, () => first.count('stored') >= 1));
    story.follower.files.kill(story.world.random);
    first.connections[1].forget();
    assert(story.world.run(10_000, () => first.senderEnding !== 'none yet'));
    assert.match(troubles(first)[0]!, /the connection was lost/);
    story.world.run(10_000);
    const second = story.begin();
    story.run(second);
    assert.equal(second.receiverEnding, 'installed');
    assert(second.count('chunk') < chunkCount);
    assertWhole(story.follower, story.installed.at(-1));
  });

  it('ends at the receiver when the sender is killed, and keeps what came', () => {
    const story = new Story();
    const first = story.begin();
    assert(story.world.run(10_000, () => first.count('stored') >= 2));
    first.connections[0].forget();
    assert(story.world.run(10_000, () => first.receiverEnding !== 'none yet'));
    assert.match(troubles(first)[1]!, /the connection was lost/);
    first.sender!.stop('it is no more');
    story.world.run(10_000);
    assert(story.finish().count('chunk') < chunkCount);
  });

  it('notices a bit that flipped on the way, and sends that chunk again', () => {
    const story = new Story();
    const first = story.begin((kind, at, bytes) => {
      if (kind !== 'chunk' || at !== 3) return bytes;
      const damaged = Buffer.from(bytes);
      damaged[1000]! ^= 0x04;
      return damaged;
    });
    story.run(first);
    assert.match(
      troubles(first)[1]!,
      /the sender sent a frame "chunk" that was damaged on the way/,
    );
    assert.deepEqual(story.installed, []);
    assert(story.finish().count('chunk') >= 2);
  });

  it('sends again what has changed on the disk of the receiver since', () => {
    const story = new Story();
    const first = story.begin((kind, _nth, bytes) => (kind === 'end' ? 'swallow' : bytes));
    assert(story.world.run(10_000, () => first.count('stored') === chunkCount));
    first.connections[0].cut();
    story.run(first);
    const path = `${story.store.receivingDirectory(story.snapshot.manifest)}/data.db`;
    story.follower.files.flip(path, chunkBytes + 77, 1, 0x01);
    const second = story.finish();
    // Chunks behind the damaged one are there as well as those before it.
    assert.equal(second.count('chunk'), 1);
  });

  it('tells at the sender that its own snapshot has changed on the disk', () => {
    const story = new Story();
    story.leader.files.flip(`${story.snapshot.path}/data.db`, 2 * chunkBytes + 5, 1, 0x80);
    const attempt = story.begin();
    story.run(attempt);
    assert.match(troubles(attempt)[0]!, /data\.db has changed on disk/);
    assert.deepEqual(story.installed, []);
    story.assertNothingHeld();
  });

  it('tells at the sender that a file of its snapshot is gone', () => {
    const story = new Story();
    story.leader.files.remove(`${story.snapshot.path}/more.db`);
    const attempt = story.begin();
    story.run(attempt);
    assert.match(troubles(attempt)[0]!, /more\.db cannot be opened/);
    assert.deepEqual(story.installed, []);
  });

  it('tells both sides that the disk of the receiver is full, and gives the room back', () => {
    for (const nth of [1, 3]) {
      const story = new Story();
      const path = 'receiving-';
      story.follower.files.fail({ operation: 'write', path, nth, code: 'ENOSPC', isShort: true });
      const attempt = story.begin();
      story.run(attempt);
      const sentence = /the snapshot cannot be stored: .*ENOSPC/;
      for (const trouble of troubles(attempt)) assert.match(trouble, sentence);
      const directory = story.store.receivingDirectory(story.snapshot.manifest);
      assert.deepEqual(story.follower.files.list(directory), []);
      story.assertNothingHeld();
      // The disk has room again.
      assert.equal(story.finish().count('chunk'), chunkCount);
    }
  });

  it('tells the sender why the snapshot is not wanted, before a byte of it is sent', () => {
    const story = new Story();
    story.refusal = 'everything up to 500 is committed here';
    const attempt = story.begin();
    story.run(attempt);
    assert.deepEqual(troubles(attempt), [story.refusal, story.refusal]);
    assert.equal(attempt.count('chunk'), 0);
  });

  it('tells the sender why the snapshot is not installed after all', () => {
    const story = new Story();
    story.installRefusal = 'this replica leads';
    const attempt = story.begin();
    story.run(attempt);
    assert.deepEqual(troubles(attempt), [story.installRefusal, story.installRefusal]);
  });

  it('installs a whole snapshot although the sender is gone', () => {
    const story = new Story();
    const attempt = story.begin();
    assert(story.world.run(10_000, () => attempt.receiver!.isComplete));
    attempt.connections[0].cut();
    story.run(attempt);
    assert.match(troubles(attempt)[0]!, /the connection was lost/);
    assert.equal(attempt.receiverEnding, 'installed');
    assertWhole(story.follower, story.installed.at(-1));
  });

  it('is given up when the other side falls silent', () => {
    const story = new Story();
    const attempt = story.begin((kind, _nth, bytes) => (kind === 'offer' ? bytes : 'swallow'));
    attempt.connections[1].meddle = () => 'swallow';
    story.run(attempt);
    for (const trouble of troubles(attempt)) {
      assert.match(trouble, /nothing was heard from the other side for 1[56] s|was lost/);
    }
    assert.match(troubles(attempt).join(), /nothing was heard/);
    story.assertNothingHeld();
  });

  it('is refused with a sentence when the manifest is wrong', () => {
    const [file] = manifestOf().files;
    const cases: readonly (readonly [unknown, RegExp])[] = [
      ['{"format":', /its manifest is no JSON/],
      ['null', /its manifest is no object/],
      [{ format: 2 }, /its format is 2, which is unknown here/],
      [{ format: { toString: 1 } }, /its format is an object, which is unknown here/],
      [{ clusterId: '6'.repeat(32) }, /it is of cluster 6666/],
      [{ clusterId: { toString: 1 } }, /it is of cluster an object, not/],
      [{ group: 2 }, /it is of group 2, not 1/],
      [{ group: [[]] }, /it is of group a list, not 1/],
      [{ snapshotId: '../../etc' }, /a wrong snapshotId/],
      [{ index: 0 }, /a wrong index/],
      [{ index: 1.5 }, /a wrong index/],
      [{ term: -1 }, /a wrong term/],
      [{ stamp: '1' }, /a wrong stamp/],
      [{ createdMs: undefined }, /a wrong createdMs/],
      [{ membership: null }, /a wrong membership/],
      [{ membership: { index: 0, voters: [], learners: [] } }, /a wrong membership/],
      [{ membership: { index: 0, voters: [{ replicaId: 'x' }], learners: [] } }, /membership/],
      // It could not be written: all of the snapshot would come, again and again, for nothing.
      [{ membership: membershipWith({ attributes: null }) }, /a wrong membership/],
      [{ membership: membershipWith({ port: 0 }) }, /a wrong membership/],
      [{ membership: membershipWith({ host: '' }) }, /a wrong membership/],
      [{ membership: membershipWith({ replicaId: ['a'.repeat(40)] }) }, /a wrong membership/],
      [{ files: [] }, /a wrong files/],
      [{ files: [null] }, /a wrong file/],
      [{ files: [{ ...file, name: '../live.db' }] }, /a wrong file/],
      [{ files: [{ ...file, name: '.' }] }, /a wrong file/],
      [{ files: [{ ...file, name: 'manifest.json' }] }, /a wrong file/],
      [{ files: [{ ...file, byteLength: -1 }] }, /a wrong file/],
      [{ files: [{ ...file, crc32: 2 ** 32 }] }, /a wrong file/],
      [{ files: [file, file] }, /a wrong file/],
    ];
    for (const [change, sentence] of cases) {
      const story = new Story();
      const text =
        typeof change === 'string'
          ? change
          : JSON.stringify({ ...manifestOf(), ...(change as object) });
      const { ending, answers } = playSender(story, [
        { kind: 'offer', term: 3, manifest: Buffer.from(text) },
      ]);
      assert.match(troubleOf(ending), sentence, text);
      assert.match(answers.at(-1)!, sentence, text);
      assert.equal(story.follower.files.operations, 0, 'nothing was written');
    }
  });

  it('throws a snapshot away that is not what its manifest says, and begins again', () => {
    const story = new Story();
    const { manifest } = story.snapshot;
    const wrong = Buffer.from(contents.get('more.db')!);
    wrong[5]! ^= 1;
    const { ending, answers } = playSender(story, [
      { kind: 'offer', term: 3, manifest: Buffer.from(JSON.stringify(manifest)) },
      ...chunksOf(0, contents.get('data.db')!),
      ...chunksOf(2, wrong),
      { kind: 'end' },
    ]);
    const sentence = /the snapshot cannot be used: its file "more\.db" is not what/;
    assert.match(troubleOf(ending), sentence);
    assert.match(answers.at(-1)!, sentence);
    assert.equal(story.finish().count('chunk'), chunkCount);
  });

  it('ends when the sender says what makes no sense', () => {
    const story = new Story();
    story.follower.diskMsMax = 50;
    const offer: TransferFrame = {
      kind: 'offer',
      term: 3,
      manifest: Buffer.from(JSON.stringify(story.snapshot.manifest)),
    };
    const chunks = chunksOf(0, contents.get('data.db')!);
    const [chunk] = chunks;
    const cases: readonly (readonly [readonly TransferFrame[], RegExp])[] = [
      [[chunk!], /a chunk out of turn/],
      [[{ kind: 'end' }], /came to an end too early/],
      [[offer, offer], /offered another snapshot/],
      [[{ kind: 'installed' }], /sent a frame "installed"/],
      [[offer, chunksOf(1, Buffer.alloc(1))[0]!], /a chunk of something else/],
      [[offer, chunksOf(9, Buffer.alloc(1))[0]!], /a chunk of something else/],
      [[offer, { ...chunk!, chunk: 3 } as TransferFrame], /a chunk of something else/],
      [[offer, { ...chunk!, chunk: 99 } as TransferFrame], /a chunk of something else/],
      [[offer, ...chunks, ...chunks, ...chunks, ...chunks], /the sender does not wait/],
      [[offer, { kind: 'end' }, chunk!], /a chunk out of turn/],
    ];
    for (const [frames, sentence] of cases) {
      assert.match(troubleOf(playSender(story, frames).ending), sentence);
      assert.deepEqual(story.installed, []);
    }
  });

  it('ends at the sender when the receiver says what makes no sense', () => {
    const cases: readonly (readonly [readonly TransferFrame[], RegExp])[] = [
      [[{ kind: 'present', checksums: [[]] }], /speaks of another snapshot/],
      [[{ kind: 'stored', byteLength: 1 }], /stored what was not sent/],
      [[{ kind: 'installed' }], /spoke out of turn/],
      [[{ kind: 'end' }], /sent a frame "end"/],
    ];
    for (const [frames, sentence] of cases) {
      const story = new Story();
      const [atLeader, atFollower] = SimConnection.pair(story.world);
      let ending: Ending = 'none yet';
      story.send(atLeader, (result) => {
        ending = result;
      });
      for (const frame of frames) atFollower.write(encodeFrame(frame), () => {});
      assert(story.world.run(10_000, () => ending !== 'none yet'));
      assert.match(troubleOf(ending), sentence);
    }
  });
});

function troubleOf(ending: Ending): string {
  assert(typeof ending === 'object', `It ended: ${ending}`);
  return ending.trouble;
}

function chunksOf(file: number, bytes: Buffer): TransferFrame[] {
  const frames: TransferFrame[] = [];
  for (let at = 0; at * chunkBytes < bytes.length; at += 1) {
    const part = bytes.subarray(at * chunkBytes, (at + 1) * chunkBytes);
    const block = new GarblingPool(0).take(chunkBytes);
    frames.push({ kind: 'chunk', file, chunk: at, bytes: part, checksum: crc32(part), block });
  }
  return frames;
}

/** A sender that says whatever it is told to, when it was told what is present. */
function playSender(
  story: Story,
  frames: readonly TransferFrame[],
): { readonly ending: Ending; readonly answers: readonly string[] } {
  const [atLeader, atFollower] = SimConnection.pair(story.world);
  let ending: Ending = 'none yet';
  const answers: string[] = [];
  const reader = new FrameReader(story.leader.pool, (frame) => {
    if (frame.kind === 'present') sayRest();
    answers.push(frame.kind === 'refused' ? frame.reason : frame.kind);
  });
  atLeader.onData((data) => void reader.feed(data));
  story.receive(atFollower, (result) => {
    ending = result;
  });
  const say = (frame: TransferFrame): void => atLeader.write(encodeFrame(frame), () => {});
  let isRestSaid = false;
  const sayRest = (): void => {
    if (isRestSaid) return;
    isRestSaid = true;
    for (const frame of frames.slice(1)) say(frame);
  };
  say(frames[0]!);
  assert(
    story.world.run(30_000, () => ending !== 'none yet'),
    'The receiver does not end',
  );
  story.world.run(10_000);
  return { ending, answers };
}
