// A replica stops, the disk changes some of its bytes, and the replica starts again.
//
// What it breaks: bits, bytes and sectors of the log, the vote file, the snapshots, the database and
// its marker, on real files; and it cuts files off. What it checks: each start has the state of before,
// or refuses with a reason that says which file it is; and a refusal changes nothing, so that with the
// good bytes back the replica starts.
//
// Two things cannot be told, and are left out. Damage to the very last frame of the log looks like a
// write that was under way: that frame may be gone, and only that. Where several frames at the end are
// lost together, the state's own files show it when they are trusted; after a power loss nothing does.
// And bytes of live.db that change while the operating system runs are not looked for: it is a cache,
// and SQLite sees what makes no sense to it. What is promised there is that it can be thrown away.
//
// HOLT_SEED=n runs one seed of each, HOLT_SEEDS=n the first n.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import { join } from 'node:path';
import { nodeFiles, RaftError, voteFileIdentity } from '../../raft/index.js';
import { inspectVoteFile } from '../../raft/log/index.js';
import { FatalMachineError } from '../../sqlite-sm/index.js';
import { removeMarker, writeMarker } from '../../sqlite-sm/marker.js';
import { machineFiles } from '../../src/files.js';
import { randomInteger, seededRandom, seedsToRun } from '../faults/seeded-random.js';
import {
  cut,
  damage,
  type FramePart,
  framesOf,
  pick,
  type Random,
  removeEmptyFrames,
  segmentPaths,
  wholeOf,
} from './damage.js';
import {
  createReplica,
  identity,
  Ledger,
  Refused,
  ReplicaOnDisk,
  type StartOptions,
} from './replica-on-disk.js';

const bootId = 'this boot';
const sectorBytes = 4096;

/** A directory to make copies of, and what a replica that starts in one must have. */
interface Original {
  readonly directory: string;
  readonly ledger: Ledger;
}

/** Of a start: the values of all keys, or why there are none. */
type Outcome =
  | { readonly values: readonly (string | null)[]; readonly startedFrom: string }
  | Refused;

describe('A replica whose files are damaged', function () {
  this.timeout(120_000);

  let parent: string;
  let stopped: Original;
  let killed: Original;

  before(async () => {
    parent = fs.mkdtempSync(join(os.tmpdir(), 'holt-storage-faults-'));
    const ledger = new Ledger();
    const directory = join(parent, 'stopped');
    const recorded = createReplica(directory);
    const start = { directory, recorded, bootId };
    for (const lastLife of [false, false, true]) {
      const replica = await ReplicaOnDisk.start(start);
      await write(replica, ledger, 40);
      await replica.takeSnapshot();
      await write(replica, ledger, 25);
      if (lastLife) {
        assert(replica.baseIndex > 0, 'The log was never cut');
        killed = { directory: join(parent, 'killed'), ledger };
        fs.cpSync(directory, killed.directory, { recursive: true });
        removeEmptyFrames(killed.directory);
      }
      await replica.stop();
    }
    stopped = { directory, ledger };
  });

  after(() => fs.rmSync(parent, { recursive: true, force: true }));

  /** The way a start finds it. `isTrusted`: the operating system has run all the time. */
  function copyOf({ directory }: Original, isTrusted: boolean): StartOptions {
    const copy = fs.mkdtempSync(join(parent, 'copy-'));
    fs.cpSync(directory, copy, { recursive: true });
    if (isTrusted) writeMarker(machineFiles, join(copy, 'live.db'), bootId);
    return { directory: copy, recorded: voteFileIdentity(nodeFiles, copy)!, bootId };
  }

  /** A case for each seed, which is told when it fails. */
  async function withSeeds(count: number, run: (random: Random) => Promise<void>): Promise<void> {
    for (const seed of seedsToRun(count)) {
      try {
        await run(seededRandom(seed));
      } catch (error) {
        throw new Error(`Seed ${seed}: ${(error as Error).message}`, { cause: error });
      }
    }
  }

  it('starts when they are not', async () => {
    for (const original of [stopped, killed]) {
      for (const isTrusted of [true, false]) {
        const outcome = await startIn(copyOf(original, isTrusted));
        assertRight(outcome, original.ledger.lastIndex, original);
        assert.equal(startedFrom(outcome), isTrusted ? 'live' : 'snapshot');
      }
    }
  });

  it('loses nothing of its log in silence', async () => {
    const verdicts = new Map<string, number>();
    await withSeeds(30, async (random) => {
      const original = pick(random, [stopped, killed]);
      const copy = copyOf(original, random() < 0.5);
      const { path, expected, dropped } = damageLog(random, copy.directory);
      const outcome = await startIn(copy);
      const verdict = outcome instanceof Refused ? 'refused' : 'started';
      verdicts.set(verdict, (verdicts.get(verdict) ?? 0) + 1);
      if (expected === 'right') return assertRight(outcome, original.ledger.lastIndex, original);
      if (expected === 'refused') return assertRefused(outcome, copy, original, [path]);
      // The very last frame: it is there, or it is not, or the state shows that it was.
      if (outcome instanceof Refused) return assertReason(outcome, ['the log']);
      const { values } = outcome;
      const whole = original.ledger.at(original.ledger.lastIndex);
      const shorter = dropped === undefined ? whole : original.ledger.at(dropped - 1);
      const isEither = [whole, shorter].some((each) => each.join() === values.join());
      assert(isEither, 'It is neither the state of before nor the one without the last frame');
    });
    if (verdicts.size < 2) assert.equal(seedsToRun(2).length, 1, 'All of one kind proves little');
  });

  it('notices a lost end of its log while the state is there', async () => {
    await withSeeds(5, async (random) => {
      // Of one that was killed, the state's files may lack the end as well.
      const original = stopped;
      const copy = copyOf(original, true);
      const path = segmentPaths(copy.directory).at(-1)!;
      const frames = framesOf(path);
      const lost = frames.slice(-randomInteger(random, 1, frames.length));
      const bytes = fs.readFileSync(path);
      fs.writeFileSync(path, bytes.fill(0, lost[0]!.start, lost.at(-1)!.paddingEnd));
      const outcome = await startIn(copy);
      const hasEntries = lost.some(({ firstIndex }) => firstIndex !== undefined);
      if (hasEntries) assertReason(outcome, ['the log', 'has applied']);
      else assertRight(outcome, original.ledger.lastIndex, original);
    });
  });

  it('keeps its term and vote, or does not start', async () => {
    await withSeeds(10, async (random) => {
      const original = pick(random, [stopped, killed]);
      const copy = copyOf(original, true);
      const path = join(copy.directory, 'vote');
      const options = { path, identity, files: nodeFiles };
      const { term, votedFor } = inspectVoteFile(options);
      const slots = [0, sectorBytes].map((start) => ({ path, start, end: start + sectorBytes }));
      const isCut = random() < 0.3;
      const hit = random() < 0.6 ? [pick(random, slots)] : slots;
      const changed = isCut ? [] : hit.filter((slot) => damage(random, slot));
      if (isCut) cut(random, path);
      const isLost = isCut ? fs.statSync(path).size < sectorBytes : changed.length === 2;
      if (isLost) return assertRefused(await startIn(copy), copy, original, [path]);
      const found = inspectVoteFile(options);
      assert.deepEqual([found.term, found.votedFor], [term, votedFor]);
      assertRight(await startIn(copy), original.ledger.lastIndex, original);
    });
  });

  it('begins with another snapshot, or says which ones are damaged', async () => {
    await withSeeds(10, async (random) => {
      const original = pick(random, [stopped, killed]);
      const isTrusted = random() < 0.3;
      const copy = copyOf(original, isTrusted);
      const snapshots = snapshotPaths(copy.directory);
      assert.equal(snapshots.length, 2);
      const hit = random() < 0.5 ? [pick(random, snapshots)] : snapshots;
      const damaged = hit.filter((snapshot) => {
        const path = join(snapshot, pick(random, ['data.db', 'manifest.json']));
        if (random() < 0.7) return damage(random, wholeOf(path));
        cut(random, path);
        return true;
      });
      const outcome = await startIn(copy);
      if (!isTrusted && damaged.length === 2) {
        return assertRefused(outcome, copy, original, damaged);
      }
      assertRight(outcome, original.ledger.lastIndex, original);
      assert.equal(startedFrom(outcome), isTrusted ? 'live' : 'snapshot');
    });
  });

  it('does not believe a marker that has changed', async () => {
    await withSeeds(6, async (random) => {
      const original = pick(random, [stopped, killed]);
      const copy = copyOf(original, true);
      const path = join(copy.directory, 'live.db.marker');
      if (random() < 0.3) cut(random, path);
      else assert(damage(random, wholeOf(path)));
      const outcome = await startIn(copy);
      assertRight(outcome, original.ledger.lastIndex, original);
      assert.equal(startedFrom(outcome), 'snapshot');
    });
  });

  it('begins anew with a database that is none any more', async () => {
    await withSeeds(6, async (random) => {
      // Of one that was killed, the WAL may have the pages that are gone.
      const original = stopped;
      const copy = copyOf(original, true);
      const path = join(copy.directory, 'live.db');
      // Nearly all of it, or its first words and the schema behind them.
      if (random() < 0.5)
        fs.truncateSync(path, pick(random, [0, randomInteger(random, 0, 5 * sectorBytes)]));
      else
        fs.writeFileSync(path, fs.readFileSync(path).fill(0, 0, pick(random, [16, sectorBytes])));
      const outcome = await startIn(copy);
      assertRight(outcome, original.ledger.lastIndex, original);
      assert.equal(startedFrom(outcome), 'snapshot');
    });
  });

  it('has its state again without the marker, whatever became of the database', async () => {
    await withSeeds(10, async (random) => {
      const original = pick(random, [stopped, killed]);
      const copy = copyOf(original, true);
      const database = join(copy.directory, 'live.db');
      const paths = [database, `${database}-wal`].filter((path) => fs.existsSync(path));
      for (const path of paths.filter(() => random() < 0.7)) {
        if (random() < 0.2) cut(random, path);
        else
          for (let left = randomInteger(random, 1, 8); left > 0; left -= 1) {
            damage(random, wholeOf(path));
          }
      }
      // It may be found out at once, later, or never.
      const outcome = await startIn(copy);
      if (outcome instanceof Refused) assertReason(outcome, []);
      // What docs/operations.md says to do.
      removeMarker(machineFiles, database);
      assertRight(await startIn(copy), original.ledger.lastIndex, original);
    });
  });
});

async function write(replica: ReplicaOnDisk, ledger: Ledger, entries: number): Promise<void> {
  for (let left = entries; left > 0; left -= 1) {
    // Frames of one sector and of two.
    const commands = ledger.next(left % 5 === 0 ? 5000 : 10 * left);
    ledger.onAcknowledged(await replica.run(commands));
  }
}

async function startIn(copy: StartOptions): Promise<Outcome> {
  let replica: ReplicaOnDisk;
  try {
    replica = await ReplicaOnDisk.start(copy);
  } catch (error) {
    if (error instanceof Refused) return error;
    throw error;
  }
  try {
    const { values, startedFrom: from } = replica;
    await replica.stop();
    return { values, startedFrom: from };
  } catch (error) {
    // Found out late: the process would end here.
    replica.abandon();
    return new Refused(error, replica.warnings);
  }
}

function startedFrom(outcome: Outcome): string {
  return outcome instanceof Refused ? 'nowhere' : outcome.startedFrom;
}

interface LogDamage {
  readonly path: string;
  readonly expected: 'right' | 'refused' | 'either';
  /** The first entry of the frame that may be gone. */
  readonly dropped?: number | undefined;
}

/** Within one frame, or where there is none; or a segment loses its end. */
function damageLog(random: Random, directory: string): LogDamage {
  const paths = segmentPaths(directory);
  // Damage to an earlier segment is shown by the next one, too.
  const path = random() < 0.5 ? paths.at(-1)! : pick(random, paths);
  const all = paths.flatMap(framesOf);
  const last = all.at(-1)!;
  const kind = random();
  if (kind < 0.2) {
    cut(random, path);
    return { path, expected: 'refused' };
  }
  if (kind < 0.3) {
    const isChanged = damage(random, { path, start: 0, end: sectorBytes });
    return { path, expected: isChanged ? 'refused' : 'right' };
  }
  if (kind < 0.5) {
    const isChanged = damage(random, last);
    return { path: last.path, expected: isChanged ? 'either' : 'right', dropped: last.firstIndex };
  }
  if (kind < 0.85) {
    const ofSegment = framesOf(path).filter(
      ({ start }) => path !== last.path || start < last.start,
    );
    const frame = pick(random, ofSegment.length > 0 ? ofSegment : all.slice(0, -1));
    const isChanged = damage(random, frame);
    return { path: frame.path, expected: isChanged ? 'refused' : 'right' };
  }
  damageUnused(random, pick(random, all));
  return { path, expected: 'right' };
}

/** The padding behind a frame, or what is behind the last one of its segment. */
function damageUnused(random: Random, { path, end, paddingEnd }: FramePart): void {
  const used = framesOf(path).at(-1)!.paddingEnd;
  const { end: fileEnd } = wholeOf(path);
  if (random() < 0.5 && end < paddingEnd) damage(random, { path, start: end, end: paddingEnd });
  else if (used < fileEnd) damage(random, { path, start: used, end: fileEnd });
}

function snapshotPaths(directory: string): string[] {
  const snapshots = join(directory, 'snapshots');
  const names = fs.readdirSync(snapshots).filter((name) => name.startsWith('snapshot-'));
  return names.toSorted().map((name) => join(snapshots, name));
}

function assertRight(outcome: Outcome, lastIndex: number, { ledger }: Original): void {
  if (outcome instanceof Refused) throw outcome;
  assert.deepEqual(outcome.values, ledger.at(lastIndex));
}

function assertReason(outcome: Outcome, names: readonly string[]): void {
  assert(outcome instanceof Refused, 'It starts');
  const { cause, message } = outcome;
  assert(cause instanceof RaftError || cause instanceof FatalMachineError, outcome);
  for (const name of names) assert(message.includes(name), `It does not name ${name}: ${message}`);
}

/** For that reason, and nothing else has changed: with the good bytes of `paths` back it starts. */
async function assertRefused(
  outcome: Outcome,
  copy: StartOptions,
  original: Original,
  paths: readonly string[],
): Promise<void> {
  assertReason(outcome, paths);
  for (const path of paths) {
    const good = join(original.directory, path.slice(copy.directory.length));
    const files = fs.statSync(good).isDirectory()
      ? fs.readdirSync(good).map((name) => [join(good, name), join(path, name)] as const)
      : [[good, path] as const];
    for (const [from, to] of files) fs.writeFileSync(to, fs.readFileSync(from));
  }
  assertRight(await startIn(copy), original.ledger.lastIndex, original);
}
