// Between the loop and the embedder's state machine: entries in, results out.
//
// The loop applies entries one by one and expects each to be done when `apply` returns. An embedder
// may take its time and return a promise. Then the bridge is busy: the loop hands over no further
// entry, and `appliedIndex` stays where the state really is, so that reads, snapshots and status
// need not know the difference. Entries that the loop had read from its files already wait here.
//
// The embedder's snapshot knows nothing of the log. The bridge puts a file of its own beside the
// embedder's, `applied.json`, which says up to where the state is.

import assert from 'node:assert/strict';
import { join } from 'node:path';
import type { LogIndex, Term } from '../core/index.js';
import type { Files } from '../effects.js';
import { RaftError } from '../errors.js';
import type { CommittedEntry, StateMachine } from '../state-machine.js';
import { readCommands } from './replicated-commands.js';
import type { ReplicatedStateMachine } from './state-machine.js';
import { createText, readText } from './text-files.js';

export interface BridgeEvents<Result> {
  /** What `apply` gave for the command with which `context` was handed over. */
  onResult(context: unknown, result: Result): void;
  /** It was busy and is not any more. */
  onIdle(): void;
  /** A promise of `apply` was rejected: the state is not known any more. */
  onFailed(error: Error): void;
}

interface HandedOver {
  readonly entry: CommittedEntry;
  readonly contexts: readonly unknown[] | undefined;
}

/** The last entry in the state; at index 0 there is none yet. */
interface Position {
  readonly index: LogIndex;
  readonly term: Term;
  readonly stamp: number;
}

export class MachineBridge<Result> implements StateMachine {
  readonly #machine: ReplicatedStateMachine<Result>;
  readonly #files: Files;
  #events: BridgeEvents<Result> | undefined;
  #applied: Position = { index: 0, term: 0, stamp: 0 };
  #waiting: HandedOver[] = [];
  #isBusy = false;
  #idleCallbacks: (() => void)[] = [];

  constructor(machine: ReplicatedStateMachine<Result>, files: Files) {
    this.#machine = machine;
    this.#files = files;
  }

  /** Before anything is applied. */
  start(events: BridgeEvents<Result>): void {
    this.#events = events;
  }

  get appliedIndex(): LogIndex {
    return this.#applied.index;
  }

  /** The embedder gets copies: once applied, an entry's payload is not looked at again. */
  get flushedIndex(): LogIndex {
    return this.#applied.index;
  }

  get lastStamp(): number {
    return this.#applied.stamp;
  }

  get isBusy(): boolean {
    return this.#isBusy;
  }

  /** Resolves when nothing is being applied. */
  async whenIdle(): Promise<void> {
    // Again: by the time the promise is heard of, the next entry may be under way.
    while (this.#isBusy) {
      await new Promise<void>((resolve) => this.#idleCallbacks.push(resolve));
    }
  }

  // ---------------------------------------------------------------------------- applying

  apply(entry: CommittedEntry, contexts: readonly unknown[] | undefined): void {
    this.#waiting.push({ entry, contexts });
    if (!this.#isBusy) this.#applyWaiting();
  }

  #applyWaiting(): void {
    for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift()) {
      const results = this.#applyOne(next.entry);
      if (isPromise(results)) return this.#finishLater(next, results);
      this.#finish(next, results);
    }
  }

  #applyOne(entry: CommittedEntry): readonly Result[] | Promise<readonly Result[]> {
    // A leader's no-op, or a change of members: only its place and time are for the state.
    if (entry.kind !== 'command') return [];
    const { index, stamp } = entry;
    const commands = readCommands(entry.payload).map((data) => ({ data, stamp, index }));
    const results = this.#machine.apply(commands);
    if (!isPromise(results)) return checkedResults(results, commands.length);
    return results.then((known) => checkedResults(known, commands.length));
  }

  #finish({ entry, contexts }: HandedOver, results: readonly Result[]): void {
    this.#applied = { index: entry.index, term: entry.term, stamp: entry.stamp };
    if (contexts === undefined) return;
    assert.equal(contexts.length, results.length, 'Each command has its caller');
    for (const [position, context] of contexts.entries()) {
      this.#events!.onResult(context, results[position] as Result);
    }
  }

  #finishLater(handedOver: HandedOver, promise: Promise<readonly Result[]>): void {
    this.#isBusy = true;
    promise
      .then((results) => {
        this.#finish(handedOver, results);
        this.#isBusy = false;
        this.#applyWaiting();
        if (!this.#isBusy) this.#becomeIdle();
      })
      .catch((error: Error) => {
        this.#waiting = [];
        this.#isBusy = false;
        this.#events!.onFailed(error);
        this.#becomeIdle();
      });
  }

  #becomeIdle(): void {
    for (const callback of this.#idleCallbacks.splice(0)) callback();
    this.#events!.onIdle();
  }

  // ---------------------------------------------------------------------------- snapshots

  writeSnapshot(
    directory: string,
    done: (error: Error | undefined, at: Position | undefined) => void,
  ): void {
    this.#writeSnapshot(directory).then(
      (at) => done(undefined, at),
      (error: Error) => done(error, undefined),
    );
  }

  async #writeSnapshot(directory: string): Promise<Position> {
    // What is half applied is in no snapshot.
    await this.whenIdle();
    // In one go: the machine takes its state as it is when it is called, and that is this position.
    const at = this.#applied;
    const written = this.#machine.writeSnapshot(directory);
    createText(this.#files, positionPath(directory), `${JSON.stringify(at)}\n`, {
      isSynced: false,
    });
    await written;
    return at;
  }

  readSnapshot(directory: string, done: (error: Error | undefined) => void): void {
    this.#readSnapshot(directory).then(
      () => done(undefined),
      (error: Error) => done(error),
    );
  }

  async #readSnapshot(directory: string): Promise<void> {
    await this.whenIdle();
    const path = positionPath(directory);
    const text = readText(this.#files, path);
    if (text === undefined) {
      throw new RaftError(
        'DAMAGED',
        `Cannot read the snapshot "${directory}": "${path}" is missing`,
      );
    }
    await this.#machine.readSnapshot(directory);
    this.#applied = JSON.parse(text);
  }
}

function positionPath(directory: string): string {
  return join(directory, 'applied.json');
}

function isPromise<T>(value: readonly T[] | Promise<readonly T[]>): value is Promise<readonly T[]> {
  return 'then' in value;
}

function checkedResults<Result>(results: readonly Result[], expected: number): readonly Result[] {
  if (results.length === expected) return results;
  throw new Error(`apply returned ${results.length} results for ${expected} commands`);
}
