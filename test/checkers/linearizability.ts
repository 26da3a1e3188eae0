// Is there one order of all operations that explains every reply?
//
// A history is linearizable when each operation can be given one moment between its call and its return
// at which it took effect, such that the replies are those of a single copy that executes one operation
// after another (Herlihy and Wing, 1990).
//
// The search is that of Wing and Gong (1993), as Lowe (2017) made it fast and Porcupine made it known.
// Calls and returns stand in a list in the order of time. What may take effect next are the calls before
// the first return. One is taken: it is lifted out of the list together with its return. When nothing
// fits any more, the last one taken is put back and the next is tried in its place. Which operations were
// taken, and the state they led to, is remembered: whoever comes there by another way need not go on.
//
//     ┌ may be taken ┐
//     call 1   call 2   return 1   call 3   return 2   return 3
//                          ▲
//                          whoever is taken now was called before this
//
// An operation that nobody heard of may take effect at any time after its call, or never. It is not in
// the list but beside it, is tried last, and need not be taken at all. There would be too many ways to
// take those, so only ways are tried on which each of them makes a difference:
//
//   - one that changes nothing is not taken;
//   - of two with the same command, the one called first is taken first: no reply tells them apart;
//   - one that the next operation behaves the same without, or that may as well come after it, is not
//     taken before it (`#isNeedless`). Whatever can be reached with it can be reached otherwise: by
//     fewer operations, or with it later. Both come to an end, so nothing is missed.
//
// Keys that have nothing to do with each other are searched one by one (`partition`), because a history
// is linearizable if it is so for each of them.

import assert from 'node:assert/strict';
import { abbreviated, describeOperation, type Operation } from './operation.js';

export interface Model<State> {
  readonly init: State;
  /**
   * What becomes of a state that is not changed itself, and whether the reply can be `output`. An
   * undefined one was heard by nobody and may be any.
   */
  step(state: State, input: readonly string[], output: unknown): Step<State>;
  /** The same text for the same state only. */
  describe(state: State): string;
  /** Parts that share no state. */
  partition?(history: readonly Operation[]): readonly (readonly Operation[])[];
}

export interface Step<State> {
  readonly isLegal: boolean;
  readonly state: State;
}

export interface DeadEnd {
  /** The longest order that explains its replies. */
  readonly order: readonly Operation[];
  /** What it led to. */
  readonly state: string;
  /** Of those that are left the first to return: it must come before all that were called later. */
  readonly misfit: Operation;
  /** Operations of this part of the history. */
  readonly count: number;
}

export type Verdict =
  /** One order for each part. */
  | { readonly kind: 'linearizable'; readonly orders: readonly (readonly Operation[])[] }
  | { readonly kind: 'violation'; readonly deadEnd: DeadEnd }
  /** The steps were used up; `deadEnd` is how far the search came. */
  | { readonly kind: 'unknown'; readonly deadEnd: DeadEnd | undefined };

/** A second or some, in each part. A part of a thousand operations takes a few thousand. */
const stepsMaxDefault = 1_000_000;

/**
 * Unanswered operations that are taken in a row, at most: at first few, because most histories need no
 * more and every further one multiplies the ways. Only the last search proves that there is no order.
 */
const runLengths = [1, 2, Number.POSITIVE_INFINITY];

/** Steps, not seconds, bound the search, so that it ends in the same way everywhere. */
export function checkLinearizability<State>(
  history: readonly Operation[],
  model: Model<State>,
  { stepsMax = stepsMaxDefault }: { readonly stepsMax?: number } = {},
): Verdict {
  const orders: (readonly Operation[])[] = [];
  let undecided: Verdict | undefined;
  for (const part of model.partition?.(history) ?? [history]) {
    const verdict = checkPart(part, model, stepsMax);
    if (verdict.kind === 'violation') return verdict;
    // Another part may still be wrong for certain.
    if (verdict.kind === 'unknown') undecided ??= verdict;
    else orders.push(...verdict.orders);
  }
  return undecided ?? { kind: 'linearizable', orders };
}

function checkPart<State>(
  part: readonly Operation[],
  model: Model<State>,
  stepsMax: number,
): Verdict {
  const budget = { steps: stepsMax };
  for (const runLengthMax of runLengths) {
    const search = new Search(part, model, budget, runLengthMax);
    const outcome = search.run();
    if (outcome === 'found') return { kind: 'linearizable', orders: [search.order] };
    if (outcome === 'givenUp') return { kind: 'unknown', deadEnd: search.deadEnd };
    if (!search.isCutShort) return { kind: 'violation', deadEnd: search.deadEnd! };
  }
  assert.fail('The last search is not cut short');
}

/** In words, for whoever has to find out why. */
export function explain(verdict: Verdict): string {
  if (verdict.kind === 'linearizable') return 'Linearizable';
  const isViolation = verdict.kind === 'violation';
  const heading = isViolation ? 'Not linearizable' : 'Not known to be linearizable: out of steps';
  if (verdict.deadEnd === undefined) return heading;
  const { order, state, misfit, count } = verdict.deadEnd;
  const shown = order.slice(-shownOrderLength);
  const lines = [
    heading,
    `These ${order.length} of ${count} operations explain their replies in this order:`,
    ...(shown.length < order.length ? [`  … ${order.length - shown.length} before`] : []),
    ...shown.map((operation) => `  ${describeOperation(operation)}`),
    `They lead to ${abbreviated(state)}, and then this does not fit:`,
    `  ${describeOperation(misfit)}`,
  ];
  return lines.join('\n');
}

const shownOrderLength = 30;

/** An operation in a search. */
interface Task {
  readonly operation: Operation;
  /** Among the answered, or among the unanswered ones, in the order of calls. */
  readonly index: number;
  /** Undefined for the unanswered. */
  readonly entry: Entry | undefined;
  /** The one before of the unanswered with the same command. */
  readonly twin: Task | undefined;
  isTaken: boolean;
}

/** A call or a return in the list. Around its neighbours when it is lifted, as in Knuth's dancing links. */
class Entry {
  /** Undefined for the head of the list, which is a circle. */
  task: Task | undefined;
  /** Of a call, its return. */
  readonly returns: Entry | undefined;
  readonly time: number;
  previous: Entry = this;
  next: Entry = this;

  constructor(time: number, returns?: Entry) {
    this.time = time;
    this.returns = returns;
  }

  insertBefore(next: Entry): void {
    this.previous = next.previous;
    this.next = next;
    this.restore();
  }

  lift(): void {
    this.previous.next = this.next;
    this.next.previous = this.previous;
  }

  /** In the opposite order of lifting. */
  restore(): void {
    this.previous.next = this;
    this.next.previous = this;
  }
}

interface Taken<State> {
  readonly task: Task;
  /** Before it. */
  readonly state: State;
  readonly description: string;
}

class Search<State> {
  readonly #model: Model<State>;
  readonly #budget: { steps: number };
  readonly #runLengthMax: number;
  readonly #count: number;
  readonly #head = new Entry(Number.NEGATIVE_INFINITY);
  readonly #answered: readonly Task[];
  readonly #unanswered: readonly Task[];
  readonly #taken: Taken<State>[] = [];
  readonly #visited = new Set<string>();
  #state: State;
  #description: string;
  /** Of the answered ones. */
  #takenCount = 0;
  #deadEndCount = -1;
  deadEnd: DeadEnd | undefined;
  /** Something was not tried because of `runLengthMax`. */
  isCutShort = false;

  constructor(
    history: readonly Operation[],
    model: Model<State>,
    budget: { steps: number },
    runLengthMax: number,
  ) {
    this.#model = model;
    this.#budget = budget;
    this.#runLengthMax = runLengthMax;
    this.#count = history.length;
    this.#state = model.init;
    this.#description = model.describe(model.init);
    const byCall = history.toSorted((a, b) => a.invokedAt - b.invokedAt);
    this.#answered = answeredTasks(byCall.filter(({ returnedAt }) => returnedAt !== undefined));
    this.#unanswered = unansweredTasks(byCall.filter(({ returnedAt }) => returnedAt === undefined));
    for (const entry of entriesInOrder(this.#answered)) entry.insertBefore(this.#head);
  }

  get order(): readonly Operation[] {
    return this.#taken.map(({ task }) => task.operation);
  }

  run(): 'found' | 'none' | 'givenUp' {
    let candidate = this.#firstCandidate();
    while (this.#takenCount < this.#answered.length) {
      if (this.#budget.steps <= 0) return 'givenUp';
      if (candidate !== undefined) {
        candidate = this.#take(candidate) ? this.#firstCandidate() : this.#nextCandidate(candidate);
        continue;
      }
      this.#noteDeadEnd();
      const putBack = this.#putBack();
      if (putBack === undefined) return 'none';
      candidate = this.#nextCandidate(putBack);
    }
    return 'found';
  }

  // ---------------------------------------------------------------------------- candidates

  /** The list begins with a call: a return before it would be that of an operation that is taken. */
  #firstCandidate(): Task | undefined {
    return this.#head.next.task;
  }

  #nextCandidate({ entry, index }: Task): Task | undefined {
    if (entry === undefined) return this.#nextUnanswered(index + 1);
    return isCall(entry.next) ? entry.next.task : this.#nextUnanswered(0);
  }

  #nextUnanswered(from: number): Task | undefined {
    const { time } = this.#firstReturn();
    for (let index = from; index < this.#unanswered.length; index += 1) {
      const task = this.#unanswered[index]!;
      if (task.operation.invokedAt > time) return undefined;
      const isTwinLeft = task.twin !== undefined && !task.twin.isTaken;
      if (!task.isTaken && !isTwinLeft) return task;
    }
    return undefined;
  }

  #firstReturn(): Entry {
    let entry = this.#head.next;
    while (isCall(entry)) entry = entry.next;
    return entry;
  }

  // ---------------------------------------------------------------------------- taking

  /** False: it does not fit, or leads nowhere new. */
  #take(task: Task): boolean {
    const run = this.#run();
    const isAnswered = task.entry !== undefined;
    if (!isAnswered && run.length >= this.#runLengthMax) {
      this.isCutShort = true;
      return false;
    }
    const before = this.#state;
    const { isLegal, state: after } = this.#step(before, task);
    if (!isLegal) return false;
    const description = this.#model.describe(after);
    if (!isAnswered && description === this.#description) return false;
    if (this.#isNeedless(run, task, description)) return false;

    this.#mark(task);
    const configuration = this.#configuration(description);
    if (this.#visited.has(configuration)) {
      this.#unmark(task);
      return false;
    }
    this.#visited.add(configuration);
    this.#taken.push({ task, state: before, description: this.#description });
    this.#state = after;
    this.#description = description;
    return true;
  }

  #putBack(): Task | undefined {
    const last = this.#taken.pop();
    if (last === undefined) return undefined;
    this.#unmark(last.task);
    this.#state = last.state;
    this.#description = last.description;
    return last.task;
  }

  #mark(task: Task): void {
    task.isTaken = true;
    if (task.entry === undefined) return;
    task.entry.lift();
    task.entry.returns!.lift();
    this.#takenCount += 1;
  }

  #unmark(task: Task): void {
    task.isTaken = false;
    if (task.entry === undefined) return;
    task.entry.returns!.restore();
    task.entry.restore();
    this.#takenCount -= 1;
  }

  #step(state: State, { operation }: Task): Step<State> {
    this.#budget.steps -= 1;
    return this.#model.step(state, operation.command, operation.reply);
  }

  /** What is taken and what it led to. Most of the answered ones are those called first. */
  #configuration(description: string): string {
    const first = this.#head.next.task?.index ?? this.#answered.length;
    let text = `${first}`;
    let left = this.#takenCount - first;
    for (let index = first + 1; left > 0; index += 1) {
      if (!this.#answered[index]!.isTaken) continue;
      text += ` ${index}`;
      left -= 1;
    }
    text += '/';
    for (const { index, isTaken } of this.#unanswered) if (isTaken) text += ` ${index}`;
    return `${text}/${description}`;
  }

  // ---------------------------------------------------------------------------- the unanswered

  /** The unanswered ones that were taken last, one after another. */
  #run(): readonly Taken<State>[] {
    let start = this.#taken.length;
    while (start > 0 && this.#taken[start - 1]!.task.entry === undefined) start -= 1;
    return this.#taken.slice(start);
  }

  /** Whether `task` leads to the same state without one of the run before it, or with it afterwards. */
  #isNeedless(run: readonly Taken<State>[], task: Task, description: string): boolean {
    return run.some((omitted) => {
      const rest = run.filter((taken) => taken !== omitted).map((taken) => taken.task);
      const without = this.#replay(run[0]!.state, [...rest, task]);
      if (!without.isLegal) return false;
      if (this.#model.describe(without.state) === description) return true;
      // Two unanswered ones could each wait for the other.
      if (task.entry === undefined) return false;
      const later = this.#step(without.state, omitted.task);
      return later.isLegal && this.#model.describe(later.state) === description;
    });
  }

  #replay(start: State, tasks: readonly Task[]): Step<State> {
    let step: Step<State> = { isLegal: true, state: start };
    for (const task of tasks) {
      if (step.isLegal) step = this.#step(step.state, task);
    }
    return step;
  }

  #noteDeadEnd(): void {
    if (this.#takenCount <= this.#deadEndCount) return;
    this.#deadEndCount = this.#takenCount;
    this.deadEnd = {
      order: this.order,
      state: this.#description,
      misfit: this.#firstReturn().task!.operation,
      count: this.#count,
    };
  }
}

function isCall(entry: Entry): boolean {
  return entry.returns !== undefined;
}

function answeredTasks(operations: readonly Operation[]): readonly Task[] {
  return operations.map((operation, index) => {
    const { invokedAt, returnedAt } = operation;
    assert(returnedAt !== undefined && returnedAt >= invokedAt, describeOperation(operation));
    const returns = new Entry(returnedAt);
    const entry = new Entry(invokedAt, returns);
    const task = { operation, index, entry, twin: undefined, isTaken: false };
    entry.task = task;
    returns.task = task;
    return task;
  });
}

function unansweredTasks(operations: readonly Operation[]): readonly Task[] {
  const latest = new Map<string, Task>();
  return operations.map((operation, index) => {
    const key = JSON.stringify([operation.command, operation.reply]);
    const task = { operation, index, entry: undefined, twin: latest.get(key), isTaken: false };
    latest.set(key, task);
    return task;
  });
}

/** What happened at the same time is taken for concurrent: calls come before returns. */
function entriesInOrder(tasks: readonly Task[]): readonly Entry[] {
  const calls = tasks.map(({ entry }) => entry!);
  const returns = calls.map((call) => call.returns!);
  return [...calls, ...returns].sort(
    (a, b) => a.time - b.time || Number(isCall(b)) - Number(isCall(a)),
  );
}
