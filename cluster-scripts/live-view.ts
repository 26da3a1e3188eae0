// Lines that stay in place on a terminal and change once a second.
//
// The drawing is ordinary output: it takes no screen of its own, and when the view ends its last
// state stays in the scrollback like everything else. To draw again, the cursor goes up as many rows
// as the last drawing took and writes over it, each line erasing what is left of the old one, all in
// one write: nothing is blank in between, so nothing flickers. No mode of the terminal is changed,
// the cursor is not even hidden, so there is nothing to restore however the process ends.
//
// Where the output is no terminal, lines are printed only when something has changed.

import { setTimeout as sleep } from 'node:timers/promises';
import type { LocalCluster } from './local-cluster.js';
import { ClusterProbe, type ClusterStatus } from './status.js';
import { changedFacts, facts, statusLines, trialLines } from './status-text.js';

/** What the view needs of process.stdout. */
export interface Screen {
  readonly isTTY?: boolean;
  readonly columns?: number;
  readonly rows?: number;
  write(text: string): unknown;
}

const periodMs = 1000;
/** Of a terminal that does not tell its size, or says that it is 0. */
const usualColumns = 80;
const usualRows = 24;

const toLineStart = '\r';
const eraseToLineEnd = '\x1b[K';
const eraseBelow = '\x1b[J';

/** Shows the cluster until `ended` is aborted. `hints` are the last lines of the drawing. */
export async function showCluster(
  cluster: LocalCluster,
  screen: Screen,
  hints: readonly string[],
  ended: AbortSignal,
): Promise<void> {
  const probe = new ClusterProbe(cluster);
  const view = screen.isTTY === true ? new Drawing(screen, hints) : new History(screen);
  try {
    while (!ended.aborted) {
      view.show(await probe.status());
      await pause(periodMs, ended);
    }
  } finally {
    probe.close();
    view.end();
  }
}

export class Drawing {
  readonly #screen: Screen;
  readonly #hints: readonly string[];
  /** The lines on the screen now, above the cursor. */
  #drawn: readonly string[] = [];

  constructor(screen: Screen, hints: readonly string[]) {
    this.#screen = screen;
    this.#hints = hints;
  }

  show(status: ClusterStatus): void {
    this.draw([
      ...statusLines(status, { columns: this.#columns, withPid: false }),
      '',
      ...trialLines(status),
      ...this.#hints,
    ]);
  }

  draw(lines: readonly string[]): void {
    const columns = this.#columns;
    const rows = this.#screen.rows || usualRows;
    // A line that wraps, or one more than fits, would make the count of rows wrong.
    const visible = lines.slice(0, rows - 1).map((line) => line.slice(0, columns - 1));
    const up = rowsTaken(this.#drawn, columns);
    this.#screen.write(
      (up === 0 ? '' : `\x1b[${up}A`) +
        toLineStart +
        visible.map((line) => `${line}${eraseToLineEnd}\n`).join('') +
        eraseBelow,
    );
    this.#drawn = visible;
  }

  get #columns(): number {
    return this.#screen.columns || usualColumns;
  }

  /** Erases the `^C` that the terminal echoed. */
  end(): void {
    this.#screen.write(`${toLineStart}${eraseBelow}`);
  }
}

/** A terminal made narrower since has wrapped what was drawn. */
function rowsTaken(lines: readonly string[], columns: number): number {
  return lines.reduce((sum, line) => sum + Math.max(1, Math.ceil(line.length / columns)), 0);
}

class History {
  readonly #screen: Screen;
  #known: ReadonlyMap<string, string> = new Map();

  constructor(screen: Screen) {
    this.#screen = screen;
  }

  show(status: ClusterStatus): void {
    const isFirst = this.#known.size === 0;
    const now = facts(status);
    const lines = changedFacts(this.#known, now);
    this.#known = now;
    if (isFirst) lines.push(...trialLines(status));
    for (const line of lines) this.#screen.write(`${line}\n`);
  }

  end(): void {}
}

async function pause(milliseconds: number, ended: AbortSignal): Promise<void> {
  try {
    await sleep(milliseconds, undefined, { signal: ended });
  } catch (error) {
    if (!ended.aborted) throw error;
  }
}
