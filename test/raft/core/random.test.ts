// Random schedules: what nobody thought of.
//
// Each seed is a cluster and a schedule of some hundred moves. It breaks: messages are lost,
// doubled and overtaken; links are cut in one direction or both, and notice it or not; replicas
// crash and lose what was not durable, with any part of the waiting writes on the disk; disks are
// slow; the leadership is handed over; logs are compacted; snapshots take their time, get lost with
// whoever sends or receives them, or arrive when their leader is long deposed; several messages arrive
// in one turn; in every other schedule servers come and go, the leader among them.
// It checks: everything that `ClusterHistory` lists, after every input.
//
// Safety alone would be kept by a cluster that does nothing. So each schedule ends with the network
// healed, the disks fast and everybody up; then a leader must be found, and must commit new
// entries on every replica, confirm a read and finish a hand-over, within a bound of ticks.
//
// A failure names its seed. `HOLT_RAFT_SEEDS=417` or `HOLT_RAFT_SEEDS=1000-9999` chooses seeds and
// `HOLT_RAFT_STEPS=2000` the length of each schedule; `HOLT_RAFT_TRACE=1` tells the whole story.

import assert from 'node:assert/strict';
import type { LogIndex, ReplicaId, Term } from '../../../raft/core/index.js';
import type { Coverage } from './cluster-history.js';
import { CoreCluster } from './core-cluster.js';
import { SeededRandom } from './seeded-random.js';

const electionTicks = 5;
const steps = Number(process.env.HOLT_RAFT_STEPS ?? 400);
/** Ticks until a healed cluster must be at work: some elections that end in a tie, and recovery. */
const recoveryTicksMax = 40 * electionTicks;

function chosenSeeds(): { readonly first: number; readonly last: number } {
  const [first, last] = (process.env.HOLT_RAFT_SEEDS ?? '1-1500').split('-').map(Number);
  assert(first !== undefined && Number.isInteger(first), 'HOLT_RAFT_SEEDS is a seed or from-to');
  return { first, last: last ?? first };
}

interface Transfer {
  readonly from: ReplicaId;
  readonly to: ReplicaId;
  /** In which `from` leads. */
  readonly term: Term;
  readonly index: LogIndex;
  /** The receiver has crashed since. */
  isBroken: boolean;
}

class RandomSchedule {
  readonly #random: SeededRandom;
  readonly #cluster: CoreCluster;
  /** This schedule's probability that a disk is slow, and that a message is not the oldest one. */
  readonly #slowness: number;
  readonly #disorder: number;
  /** Replicas that may still be added: an id is never used again. */
  readonly #spares: Set<ReplicaId>;
  readonly #moves: readonly { readonly weight: number; readonly make: () => void }[];
  /** Snapshots on their way. */
  readonly #transfers: Transfer[] = [];

  constructor(seed: number, trace: (line: string) => void) {
    const random = new SeededRandom(seed);
    this.#random = random;
    this.#slowness = random.pick([0, 0.3, 1])!;
    this.#disorder = random.pick([0, 0.1, 0.5])!;
    const trouble = random.pick([0.2, 1, 3])!;
    const hasChanges = random.isTrue(0.5);
    const spares = hasChanges ? random.pick([[], ['7'], ['7', '8', '9']])! : [];
    this.#spares = new Set(spares);
    this.#cluster = new CoreCluster({
      voters: ['1', '2', '3', '4', '5'].slice(0, random.pick(hasChanges ? [1, 2, 3, 4] : [3, 5])),
      learners: random.isTrue(0.2) ? ['6'] : [],
      spares,
      catchupMargin: random.pick([0, 2, 1000])!,
      electionTicks,
      heartbeatTicks: random.pick([1, 2])!,
      inFlightMax: random.pick([1, 2, 4])!,
      inFlightBytesMax: random.pick([25, 1000])!,
      appendBytesMax: random.pick([10, 30, 100])!,
      usesLease: random.isTrue(0.2),
      random: () => random.next(),
      trace,
    });
    this.#moves = [
      { weight: 40, make: () => this.#deliver() },
      { weight: 8, make: () => this.#tick() },
      { weight: 3, make: () => this.#cluster.tickAll() },
      { weight: 20, make: () => this.#persist() },
      { weight: 6, make: () => this.#propose() },
      { weight: 3, make: () => this.#read() },
      { weight: 4, make: () => this.#ask() },
      { weight: 0.5, make: () => this.#transfer() },
      { weight: hasChanges ? 3 : 0, make: () => this.#change() },
      { weight: 1, make: () => this.#compact() },
      { weight: 4, make: () => this.#beginSnapshot() },
      { weight: 3, make: () => this.#endSnapshot() },
      { weight: 2, make: () => this.#changeDisk() },
      { weight: 3 * trouble, make: () => this.#lose() },
      { weight: 2 * trouble, make: () => this.#double() },
      { weight: 0.6 * trouble, make: () => this.#cut() },
      { weight: 0.5 * trouble, make: () => this.#loseLink() },
      { weight: 0.5 * trouble, make: () => this.#crash() },
      { weight: 1.5, make: () => this.#heal() },
      { weight: 1.5, make: () => this.#restart() },
    ];
  }

  run(): Coverage {
    for (let step = 0; step < steps; step += 1) this.#random.pickWeighted(this.#moves).make();
    this.#recover();
    assert.deepEqual(this.#cluster.refused, [], 'nobody lost what was acknowledged');
    return this.#cluster.history.coverage;
  }

  // ---------------------------------------------------------------------------- moves

  #someone(): ReplicaId | undefined {
    return this.#random.pick(this.#cluster.upIds);
  }

  #someLeader(): ReplicaId | undefined {
    const { upIds } = this.#cluster;
    return this.#random.pick(upIds.filter((id) => this.#cluster.core(id).role === 'leader'));
  }

  #somePosition(): number {
    const { network } = this.#cluster;
    return this.#random.isTrue(this.#disorder) ? this.#random.below(network.length) : 0;
  }

  /** Everything of a turn is stepped before the core is asked what to do. */
  #deliver(): void {
    const { network } = this.#cluster;
    const count = this.#random.isTrue(0.2) ? 1 + this.#random.below(4) : 1;
    const touched = new Set<ReplicaId>();
    for (let done = 0; done < count && network.length > 0; done += 1) {
      const position = this.#somePosition();
      const { to } = network[position]!;
      if (this.#cluster.isUp(to)) touched.add(to);
      this.#cluster.deliver(position, true);
    }
    for (const id of touched) this.#cluster.drain(id);
  }

  #lose(): void {
    if (this.#cluster.network.length > 0) this.#cluster.drop(this.#somePosition());
  }

  #double(): void {
    if (this.#cluster.network.length > 0) this.#cluster.duplicate(this.#somePosition());
  }

  #tick(): void {
    const id = this.#someone();
    // A whole election timeout at once: this replica hears nobody for that long.
    if (id !== undefined) this.#cluster.tick(id, this.#random.isTrue(0.1) ? electionTicks : 1);
  }

  #propose(): void {
    const id = this.#someLeader();
    const count = this.#random.isTrue(0.2) ? 5 : 1;
    for (let done = 0; id !== undefined && done < count; done += 1) {
      this.#cluster.propose(id, this.#random.pick([1, 10, 40]));
    }
  }

  #read(): void {
    const id = this.#someLeader();
    if (id !== undefined) this.#cluster.read(id);
  }

  #ask(): void {
    const id = this.#someone();
    if (id !== undefined) this.#cluster.ask(id, this.#random.isTrue(0.2));
  }

  #transfer(): void {
    const id = this.#someLeader();
    if (id === undefined) return;
    this.#cluster.transfer(id, this.#random.pick([undefined, ...this.#cluster.ids]));
  }

  #change(): void {
    const id = this.#someLeader();
    if (id === undefined) return;
    const { voters, learners } = this.#cluster.core(id).configuration;
    const change = this.#random.pick(['add', 'promote', 'promote', 'remove'] as const)!;
    const candidates = {
      add: [...this.#spares],
      promote: learners,
      remove: [...voters, ...learners],
    };
    const server = this.#random.pick(candidates[change]);
    if (server === undefined) return;
    const index = this.#cluster.change(id, change, server);
    if (change === 'add' && typeof index === 'number') this.#spares.delete(server);
  }

  #changeDisk(): void {
    const id = this.#someone();
    if (id === undefined) return;
    this.#cluster.setDisk(id, this.#random.isTrue(this.#slowness) ? 'manual' : 'auto');
  }

  #persist(): void {
    const id = this.#someone();
    if (id === undefined) return;
    const isVote = this.#cluster.waitingVotes(id) > 0 && this.#random.isTrue(0.5);
    if (isVote) this.#cluster.persistVote(id);
    else if (this.#cluster.waitingWrites(id) > 0) this.#cluster.persistLog(id);
  }

  /** Sometimes only what everybody has applied, sometimes what others need. */
  #compact(): void {
    const id = this.#someone();
    if (id === undefined || this.#cluster.waitingWrites(id) > 0) return;
    const { ids, history } = this.#cluster;
    const base = this.#cluster.diskOf(id).log.baseIndex;
    const index = this.#random.isTrue(0.5)
      ? Math.min(...ids.map((each) => history.appliedIndexOf(each)))
      : base + this.#random.below(history.appliedIndexOf(id) - base + 1);
    if (index > base) this.#cluster.compact(id, index);
  }

  #beginSnapshot(): void {
    const wanted = this.#cluster.snapshotsWanted.shift();
    if (wanted === undefined) return;
    const { from, to } = wanted;
    if (!this.#cluster.isUp(from)) return;
    const { role, term } = this.#cluster.core(from);
    if (role !== 'leader') return;
    const base = this.#cluster.diskOf(from).log.baseIndex;
    const applied = this.#cluster.history.appliedIndexOf(from);
    const index = base + this.#random.below(applied - base + 1);
    if (this.#cluster.isSnapshotTaken(from, to, index)) {
      this.#transfers.push({ from, to, term, index, isBroken: false });
    } else this.#cluster.snapshotEnded(from, to, false);
  }

  #endSnapshot(): void {
    const [transfer] = this.#transfers.splice(this.#random.below(this.#transfers.length), 1);
    if (transfer === undefined) return;
    const { from, to, term, index } = transfer;
    const isLost = transfer.isBroken || this.#random.isTrue(0.3);
    const isInstalled = !isLost && this.#cluster.install(to, index);
    // The sender may be another leader by now, or none, or not hear of the end.
    if (!this.#cluster.isUp(from) || this.#cluster.core(from).term !== term) return;
    this.#cluster.snapshotEnded(from, to, isInstalled && this.#random.isTrue(0.8));
  }

  #cut(): void {
    const [from, to] = [
      this.#random.pick(this.#cluster.ids)!,
      this.#random.pick(this.#cluster.ids)!,
    ];
    if (this.#random.isTrue(0.5)) this.#cluster.isolate(from);
    else this.#cluster.cut(from, to);
  }

  #loseLink(): void {
    const [id, to] = [this.#someone(), this.#someone()];
    if (id !== undefined && to !== undefined) this.#cluster.linkLost(id, to);
  }

  #heal(): void {
    this.#cluster.heal();
  }

  #crash(): void {
    const id = this.#someone();
    if (id === undefined) return;
    const writes = this.#random.below(this.#cluster.waitingWrites(id) + 1);
    const votes = this.#random.below(this.#cluster.waitingVotes(id) + 1);
    this.#cluster.crash(id, { writes, votes });
    for (const transfer of this.#transfers) if (transfer.to === id) transfer.isBroken = true;
  }

  #restart(): void {
    const id = this.#random.pick(this.#cluster.ids.filter((each) => !this.#cluster.isUp(each)));
    if (id === undefined) return;
    const base = this.#cluster.diskOf(id).log.baseIndex;
    const applied = this.#cluster.history.appliedIndexOf(id);
    this.#cluster.restart(id, base + this.#random.below(applied - base + 1));
  }

  // ---------------------------------------------------------------------------- recovery

  #recover(): void {
    this.#cluster.heal();
    for (const id of this.#cluster.ids) {
      if (!this.#cluster.isUp(id)) this.#cluster.restart(id);
      this.#cluster.setDisk(id, 'auto');
    }
    this.#within('an entry is committed everywhere', () => this.#isCommittedEverywhere());
    this.#within('a read is confirmed', () => this.#isReadConfirmed());
    this.#within('followers read', () => this.#areFollowersReading());
    const first = this.#cluster.core(this.#cluster.leaderId!).term;
    this.#within('the leadership is handed over', () => this.#isHandedOver(first));
    this.#within('an entry is committed after it', () => this.#isCommittedEverywhere());
  }

  #within(what: string, isDone: () => boolean): void {
    for (let tick = 0; tick < recoveryTicksMax; tick += 1) {
      if (isDone()) return;
      this.#cluster.tickAll();
      this.#cluster.settle();
      while (this.#cluster.snapshotsWanted.length > 0) this.#beginSnapshot();
      while (this.#transfers.length > 0) this.#endSnapshot();
    }
    assert.fail(`${what}: not after ${recoveryTicksMax} ticks\n${this.#cluster.describe()}`);
  }

  #isCommittedEverywhere(): boolean {
    const { leaderId, memberIds } = this.#cluster;
    if (leaderId === undefined) return false;
    const index = this.#cluster.propose(leaderId);
    if (index === undefined) return false;
    const { term } = this.#cluster.core(leaderId);
    this.#cluster.settle();
    this.#cluster.tickAll(2);
    this.#cluster.settle();
    return memberIds.every((id) => {
      const core = this.#cluster.core(id);
      return core.applicableIndex >= index && core.termAt(index) === term;
    });
  }

  #isReadConfirmed(): boolean {
    const { leaderId, history } = this.#cluster;
    const before = history.coverage.reads;
    if (leaderId === undefined || this.#cluster.read(leaderId) === undefined) return false;
    this.#cluster.settle();
    return history.coverage.reads > before;
  }

  #areFollowersReading(): boolean {
    const { leaderId, memberIds, history } = this.#cluster;
    if (leaderId === undefined) return false;
    const before = history.coverage.followerReads;
    for (const id of memberIds) this.#cluster.ask(id, this.#random.isTrue(0.5));
    this.#cluster.settle();
    return history.coverage.followerReads - before >= memberIds.length - 1;
  }

  #isHandedOver(firstTerm: number): boolean {
    const { leaderId } = this.#cluster;
    if (leaderId === undefined) return false;
    if (this.#cluster.core(leaderId).term > firstTerm) return true;
    // A group of one has nobody to hand over to.
    if (this.#cluster.core(leaderId).configuration.voters.length === 1) return true;
    if (!this.#cluster.core(leaderId).isTransferring) this.#cluster.transfer(leaderId);
    return false;
  }
}

describe('RaftCore under a random schedule', () => {
  it('is safe after every input and recovers when the trouble ends', function () {
    this.timeout(120_000);
    const { first, last } = chosenSeeds();
    const isTraced = process.env.HOLT_RAFT_TRACE !== undefined;
    const trace = isTraced ? (line: string) => console.log(line) : () => {};
    const sum: Record<string, number> = {};
    for (let seed = first; seed <= last; seed += 1) {
      try {
        for (const [name, count] of Object.entries(new RandomSchedule(seed, trace).run())) {
          sum[name] = (sum[name] ?? 0) + count;
        }
      } catch (error) {
        throw new Error(`HOLT_RAFT_SEEDS=${seed} HOLT_RAFT_STEPS=${steps} fails`, { cause: error });
      }
    }
    if (process.env.HOLT_RAFT_SEEDS !== undefined) console.log(sum);
    for (const [name, count] of Object.entries(sum)) {
      // Recovery alone elects two leaders and confirms a read, but never truncates or inherits.
      assert(count > 0 || last - first < 100, `no schedule had ${name}`);
    }
  });

  // Scenario I89: a seed that fails can be looked at.
  it('does the same again for the same seed', () => {
    const [first, second, other] = [7, 7, 8].map((seed) => {
      const story: string[] = [];
      new RandomSchedule(seed, (line) => story.push(line)).run();
      return story;
    });
    assert.deepEqual(first, second);
    assert.notDeepEqual(first, other);
  });
});
