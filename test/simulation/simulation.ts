// One run: a cluster, its clients and its troubles, all drawn from one seed.
//
//   safety     all troubles of the plan, for as long as it says. Whatever happens, nothing may be wrong
//   recovery   the troubles end, everybody comes back: all clients must get on
//   core       a minority goes away for good: the clients must still get on
//   end        everybody is back, nothing is under way: all replicas hold the same, and everything that
//              clients were told
//
// Checkers look on all the time (`watchers.ts`); what the clients did and heard is the history.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import { join } from 'node:path';
import { needsTick, SlicedRead } from '../../sqlite-sm/index.js';
import { SimWorld } from '../faults/sim-world.js';
import { show } from '../sqlite-sm/machine-fixture.js';
import { Cluster } from './cluster.js';
import { CommandSource } from './commands.js';
import { History, type Operation } from './history.js';
import { judge } from './judge.js';
import { drawPlan, type Plan, type PlanChanges, type TroubleName } from './plan.js';
import { SimClient } from './sim-client.js';
import type { SimServer } from './sim-server.js';
import { Transcript } from './transcript.js';
import { Troubles } from './troubles.js';
import { Watchers } from './watchers.js';

export interface Outcome {
  /** Equal for equal runs. */
  readonly hash: string;
  readonly plan: Plan;
  /** Commands that were answered. */
  readonly completed: number;
  /** Simulated, in milliseconds. */
  readonly simulatedMs: number;
  readonly troubles: ReadonlyMap<TroubleName, number>;
  readonly coverage: Coverage;
  /** An order was found that explains the history; otherwise the search was given up. */
  readonly isLinearizable: boolean;
  readonly history: readonly Operation[];
}

/** What came about, so that runs in which nothing did can be told. */
export interface Coverage {
  /** Terms that had a leader. */
  readonly terms: number;
  readonly entries: number;
  /** States of one index that several replicas, or lives of one, were in. */
  readonly comparedStates: number;
  readonly snapshots: number;
  /** States that were replaced by a snapshot's, while serving or at a start. */
  readonly restored: number;
  readonly membershipChanges: number;
}

/** A run that went wrong, with all that is needed to understand it. */
export class SimulationFailure extends Error {
  override readonly name = 'SimulationFailure';
  readonly plan: Plan;
  /** The last events, in words. */
  readonly lines: readonly string[];

  constructor(cause: Error, plan: Plan, lines: readonly string[]) {
    super(cause.message, { cause });
    this.plan = plan;
    this.lines = lines;
  }
}

/** Elections that end in a tie, commands that wait for their time to be up, and slow disks. */
const progressMsMax = 40_000;

/** `directory` is on a file system in memory, and takes what the state machines write. */
export function simulate(seed: number, directory: string, changes: PlanChanges = {}): Outcome {
  const world = new SimWorld(seed);
  const plan = drawPlan(world.random, changes);
  const transcript = new Transcript(world);
  const scratch = fs.mkdtempSync(join(directory, 'run-'));
  try {
    return new Simulation(world, plan, transcript, scratch).run();
  } catch (error) {
    throw new SimulationFailure(error as Error, plan, transcript.lastLines);
  } finally {
    fs.rmSync(scratch, { recursive: true, force: true });
  }
}

class Simulation {
  readonly #world: SimWorld;
  readonly #plan: Plan;
  readonly #transcript: Transcript;
  readonly #watchers = new Watchers();
  readonly #history = new History();
  readonly #cluster: Cluster;
  readonly #source: CommandSource;
  readonly #clients: readonly SimClient[];

  constructor(world: SimWorld, plan: Plan, transcript: Transcript, scratch: string) {
    this.#world = world;
    this.#plan = plan;
    this.#transcript = transcript;
    const watcher = this.#watchers;
    this.#cluster = new Cluster({ world, transcript, watcher, plan, scratch });
    this.#source = new CommandSource(world.random, plan.mix);
    this.#clients = Array.from({ length: plan.writers + plan.readers }, (_, at) => {
      const isReader = at >= plan.writers;
      return this.#newClient(at + 1, isReader);
    });
  }

  #newClient(number: number, isReader: boolean): SimClient {
    const { clientPauseMsMax, readerPauseMsMax, clientDepthMax, delayMsMax } = this.#plan;
    return new SimClient({
      number,
      world: this.#world,
      transcript: this.#transcript,
      history: this.#history,
      source: this.#source,
      servers: () => this.#cluster.servers,
      isReader,
      pauseMsMax: isReader ? readerPauseMsMax : clientPauseMsMax,
      depthMax: clientDepthMax,
      delayMsMax,
    });
  }

  run(): Outcome {
    try {
      this.#cluster.boot();
      for (const client of this.#clients) client.start();
      const troubles = this.#suffer();
      this.#recover();
      this.#goOnWithout();
      const verdict = this.#comeToRest();
      return {
        hash: this.#transcript.digest,
        plan: this.#plan,
        completed: this.#clients.reduce((sum, { completed }) => sum + completed, 0),
        simulatedMs: this.#world.nowMs,
        troubles: troubles.counts,
        coverage: { ...this.#watchers.coverage, ...this.#cluster.coverage },
        isLinearizable: verdict === 'linearizable',
        history: this.#history.operations,
      };
    } finally {
      this.#cluster.end();
    }
  }

  #suffer(): Troubles {
    const troubles = new Troubles({
      world: this.#world,
      plan: this.#plan,
      cluster: this.#cluster,
      clients: this.#clients,
      transcript: this.#transcript,
    });
    this.#world.run(this.#plan.safetyMs);
    troubles.end();
    return troubles;
  }

  #recover(): void {
    this.#transcript.tell('the troubles are over');
    this.#expectProgress('when the troubles are over');
  }

  /** Any majority of the voters is enough. */
  #goOnWithout(): void {
    const isSettled = (): boolean => this.#cluster.isMembershipSettled;
    assert(this.#world.run(progressMsMax, isSettled), 'A change of the membership never ended');
    const { voters } = this.#cluster;
    const count = this.#world.integer(0, Math.floor((voters.length - 1) / 2));
    const minority = shuffled(voters, this.#world.random).slice(0, count);
    if (count === 0) return;
    for (const server of minority) {
      this.#cluster.keepDown(server);
      if (server.isUp) server.losePower();
    }
    const names = minority.map(({ name }) => name).join(' and ');
    this.#expectProgress(`without ${names}`);
    this.#cluster.bringBack();
  }

  /** Every client gets an answer to a command that it has not given yet. */
  #expectProgress(when: string): void {
    const before = this.#clients.map((client) => client.asked);
    const isDone = (): boolean =>
      this.#clients.every((client, at) => client.answeredUpTo > before[at]!);
    const isInTime = this.#world.run(progressMsMax, isDone);
    if (isInTime) return;
    const stuck = this.#clients.filter((client, at) => client.answeredUpTo <= before[at]!);
    const numbers = stuck.map(({ number }) => number).join(', ');
    assert.fail(`${when}, client ${numbers} got no answer within ${progressMsMax} ms`);
  }

  #comeToRest(): ReturnType<typeof judge> {
    for (const client of this.#clients) client.stop();
    const isAnswered = (): boolean => this.#clients.every(({ isIdle }) => isIdle);
    assert(
      this.#world.run(progressMsMax, isAnswered),
      'Some clients never heard what became of it',
    );
    if (!this.#world.run(progressMsMax, () => this.#isAtRest())) assert.fail(this.#unrest());
    for (const server of this.#members) this.#watchers.onEnd(server);
    const contents = this.#readEverything();
    return judge(this.#history.operations, contents);
  }

  get #members(): readonly SimServer[] {
    return [...this.#cluster.voters, ...this.#cluster.learners];
  }

  #isAtRest(): boolean {
    const { leader } = this.#cluster;
    if (leader === undefined) return false;
    const { commitIndex, lastIndex } = leader.node.status();
    if (commitIndex !== lastIndex) return false;
    return this.#members.every(
      (server) => server.isRunning && server.node.appliedIndex === lastIndex,
    );
  }

  #unrest(): string {
    const states = this.#cluster.servers.map((server) => {
      if (!server.isRunning) return `${server.name} does not run`;
      const { role, term, commitIndex, appliedIndex, lastIndex } = server.node.status();
      return (
        `${server.name}: ${role} of term ${term}, log to ${lastIndex}, ` +
        `${commitIndex} committed, ${appliedIndex} applied`
      );
    });
    return `The replicas never came to hold the same. ${states.join('; ')}`;
  }

  /** The last word of the history: what is there in the end. */
  #readEverything(): ReadonlyMap<string, string> {
    const contents = new Map<string, string>();
    const { machine, node } = this.#cluster.leader!.process;
    for (const key of this.#source.keys) {
      const command = ['GET', key];
      const operation = this.#history.call(0, command);
      const reply = machine.read(
        0,
        command.map((word) => Buffer.from(word)),
        node.nowMs(),
      );
      assert(!(reply instanceof SlicedRead));
      // It is due, and no entry's stamp says so yet.
      if (reply === needsTick) {
        this.#history.forget(operation);
        continue;
      }
      this.#history.return(operation, show(reply));
      if (reply !== null) contents.set(key, String(show(reply)));
    }
    return contents;
  }
}

function shuffled<Item>(items: readonly Item[], random: () => number): Item[] {
  return items
    .map((item) => ({ item, order: random() }))
    .toSorted((one, other) => one.order - other.order)
    .map(({ item }) => item);
}
