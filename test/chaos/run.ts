// A run: rounds of faults, healing and judgement, until time is up or something is wrong.
//
//   clients ├──────────────────────────────────────┤ stop      ├────────── next round
//   faults    ├─ kill ─┤ ├── split ──┤              │ read, judge
//   healing                          ├─ all serve ──┤
//
// Every round is judged by itself, so memory does not grow with the minutes. What the keys of earlier
// rounds hold is remembered, and looked at again in the end.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import { join } from 'node:path';
import { commandsOf } from '../checkers/transaction.js';
import { randomInteger, seededRandom } from '../faults/seeded-random.js';
import { eventually, pause } from '../interop/eventually.js';
import { ChaosClient } from './chaos-client.js';
import { ChaosCluster, healMsMax, runHolt } from './chaos-cluster.js';
import { judge } from './judge.js';
import { Epoch } from './load.js';
import { LoopbackNetwork, NamespaceNetwork } from './network.js';
import { Moments } from './recording.js';
import { type PlannedTrouble, Schedule } from './schedule.js';
import { inSeconds, Totals } from './totals.js';
import { troubleNames, troubles } from './troubles.js';

export interface RunOptions {
  /** For all that the run writes. */
  readonly directory: string;
  readonly seed: number;
  readonly minutes: number;
  readonly servers: number;
  /** It has namespaces of its own. */
  readonly isEnclosed: boolean;
}

/** Something is wrong with Holt. */
export class Violation extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'Violation';
  }
}

const writers = 5;
const readers = 3;
const epochMs = 3_000;
const tickMs = 100;
const reportMs = 5_000;
/** One mistake is seen by many reads. */
const findingsShown = 20;
const errorLevel = 50;
/** Those that were settled last. */
const settledMax = 5_000;
/** Commands of clients that were given up may still arrive. */
const agreeMsMax = 30_000;

export class ChaosRun {
  readonly #options: RunOptions;
  readonly #startedAtMs = performance.now();
  readonly #moments = new Moments(() => this.#elapsedMs);
  readonly #random: () => number;
  readonly #schedule: Schedule;
  readonly #clients: readonly ChaosClient[];
  readonly #totals = new Totals();
  readonly #findings: string[] = [];
  #cluster: ChaosCluster | undefined;
  /** Those of this round; the last one is in use. */
  #epochs: Epoch[] = [];
  #epochCount = 0;
  /** Of keys with no operation that may take effect later. */
  readonly #settled = new Map<string, string | null>();

  constructor(options: RunOptions) {
    this.#options = options;
    const { seed, isEnclosed } = options;
    this.#random = seededRandom(seed);
    this.#schedule = new Schedule(seed, troubleNames(isEnclosed));
    this.#clients = Array.from({ length: writers + readers }, (_, at) => {
      return new ChaosClient({
        number: at + 1,
        random: seededRandom(seed * 31 + at),
        isReader: at >= writers,
        servers: () => this.#cluster!.servers,
        epoch: () => this.#epochs.at(-1)!,
        onFinding: (words) => this.#findings.push(words),
      });
    });
  }

  /** At once, for the end of this process. */
  killNow(): void {
    this.#cluster?.killNow();
  }

  /** Throws `Violation`. */
  async run(): Promise<void> {
    const { directory, isEnclosed, servers, minutes } = this.#options;
    const network = isEnclosed ? await NamespaceNetwork.create() : new LoopbackNetwork();
    const smallDiskOf = isEnclosed ? randomInteger(this.#random, 1, servers) : undefined;
    const events = {
      onDeath: ({ number }: { readonly number: number }, words: string) => {
        this.#findings.push(`server ${number} ended by itself, ${words}`);
      },
    };
    this.#cluster = await ChaosCluster.start({
      directory,
      serverCount: servers,
      network,
      smallDiskOf,
      events,
    });
    if (smallDiskOf !== undefined) this.#tell(`the small disk is that of server ${smallDiskOf}`);
    const watch = new Watch(this.#clients, this.#totals, (words) => this.#tell(words));
    try {
      const endMs = this.#elapsedMs + minutes * 60_000;
      do await this.#round(watch);
      while (this.#elapsedMs < endMs);
      await this.#end();
    } finally {
      watch.close();
      this.#readLogs();
    }
  }

  get summary(): readonly string[] {
    return this.#totals.lines(this.#clients, this.#elapsedMs / 1000);
  }

  // ---------------------------------------------------------------------------- a round

  async #round(watch: Watch): Promise<void> {
    this.#totals.rounds += 1;
    const plan = this.#schedule.nextRound();
    const words = plan.map(({ name, atMs }) => `${name} at ${inSeconds(atMs)}`);
    this.#tell(`round ${this.#totals.rounds}: ${words.join(', ')}`);
    this.#epochs = [];
    this.#beginEpoch();
    const epochs = setInterval(() => this.#beginEpoch(), epochMs);
    watch.begin();
    for (const client of this.#clients) client.start();
    try {
      await Promise.all(plan.map((planned) => this.#trouble(planned)));
      this.#stopIfWrong();
      await this.#heal();
    } finally {
      clearInterval(epochs);
      watch.end();
      await Promise.all(this.#clients.map((client) => client.stop()));
    }
    await this.#judgeRound();
  }

  #beginEpoch(): void {
    this.#epochCount += 1;
    const random = seededRandom(this.#options.seed * 17 + this.#epochCount);
    this.#epochs.push(new Epoch(`${this.#epochCount}-`, random, this.#moments));
  }

  async #trouble({ name, atMs, holdMs, seed }: PlannedTrouble): Promise<void> {
    await pause(atMs);
    this.#totals.onTrouble(name);
    const tell = (words: string): void => this.#tell(`  ${words.trim()}`);
    const context = { cluster: this.#cluster!, random: seededRandom(seed), holdMs, tell };
    try {
      await troubles[name].run(context);
    } catch (error) {
      // Another one was in its way; what it left behind is healed.
      this.#tell(`  ${name}: ${(error as Error).message.split('\n')[0]}`);
    }
  }

  /** Everybody serves again, and every client hears an answer. */
  async #heal(): Promise<void> {
    const begunAtMs = performance.now();
    const before = this.#clients.map(({ completed }) => completed);
    try {
      await this.#cluster!.heal();
      await this.#cluster!.healed();
      await eventually('every client hears an answer', healMsMax, () =>
        this.#clients.every(({ completed }, at) => completed > before[at]!),
      );
    } catch (error) {
      const { message, cause } = error as Error;
      this.#findings.push(`the cluster does not heal: ${message} (${cause})`);
    }
    this.#stopIfWrong();
    const ms = performance.now() - begunAtMs;
    this.#totals.longestHealingMs = Math.max(this.#totals.longestHealingMs, ms);
    this.#tell(`  healed after ${inSeconds(ms)}`);
  }

  async #judgeRound(): Promise<void> {
    const contents = await this.#agreedContents(this.#epochs.flatMap(({ keys }) => keys));
    for (const epoch of this.#epochs) {
      const history = epoch.recording.operations;
      const ofEpoch = new Map([...contents].filter(([key]) => epoch.keys.includes(key)));
      const { findings, isUnknown } = judge(history, ofEpoch, (key) => epoch.isExpiring(key));
      this.#findings.push(...findings);
      this.#totals.epochs += 1;
      if (isUnknown) this.#totals.unknown += 1;
      const open = new Set(
        history
          .filter(({ returnedAt }) => returnedAt === undefined)
          .flatMap(({ command }) => commandsOf(command).flat()),
      );
      for (const key of epoch.keys) {
        if (!open.has(key)) this.#settled.set(key, contents.get(key) ?? null);
      }
    }
    for (const key of this.#settled.keys()) {
      if (this.#settled.size <= settledMax) break;
      this.#settled.delete(key);
    }
    this.#stopIfWrong();
  }

  /** Throws `Violation` when replicas hold something else for long. */
  async #agreedContents(keys: readonly string[]): Promise<ReadonlyMap<string, string>> {
    const servers = this.#cluster!.servers;
    try {
      return await eventually('all replicas hold the same', agreeMsMax, async () => {
        const all = [];
        for (const server of servers) all.push(await this.#cluster!.contents(server, keys));
        const [first] = all;
        for (const [at, contents] of all.entries()) {
          const key = keys.find((each) => contents.get(each) !== first!.get(each));
          assert(
            key === undefined,
            `${key} is ${first!.get(key!)} at server ${servers[0]!.number} and ` +
              `${contents.get(key!)} at server ${servers[at]!.number}`,
          );
        }
        return first!;
      });
    } catch (error) {
      const { message, cause } = error as Error;
      this.#findings.push(`${message}: ${cause}`);
      this.#stopIfWrong();
      throw error;
    }
  }

  // ---------------------------------------------------------------------------- the end

  /** What was settled rounds ago is still so, and what is on the disks of all is whole. */
  async #end(): Promise<void> {
    const contents = await this.#agreedContents([...this.#settled.keys()]);
    for (const [key, value] of this.#settled) {
      const found = contents.get(key) ?? null;
      if (found === value) continue;
      this.#findings.push(`${key} was ${value} at the end of its round, and is ${found} now`);
    }
    await this.#cluster!.endAll('SIGTERM');
    for (const { directory } of this.#cluster!.servers) {
      const { code, stdout, stderr } = await runHolt(['verify', '--dir', directory]);
      if (code !== 0) this.#findings.push(`holt verify: ${stdout}${stderr}`);
    }
    this.#stopIfWrong();
  }

  #stopIfWrong(): void {
    if (this.#findings.length === 0) return;
    const path = join(this.#options.directory, 'history.jsonl');
    const operations = this.#epochs.flatMap(({ recording }) => recording.operations);
    fs.writeFileSync(path, operations.map((each) => `${JSON.stringify(each)}\n`).join(''));
    const more = this.#findings.length - findingsShown;
    const lines = this.#findings.slice(0, findingsShown);
    if (more > 0) lines.push(`… and ${more} more`);
    throw new Violation(lines.join('\n'));
  }

  #readLogs(): void {
    const { directory } = this.#options;
    for (const name of fs.readdirSync(directory).filter((each) => each.endsWith('.log'))) {
      const lines = fs.readFileSync(join(directory, name), 'utf8').split('\n');
      for (const line of lines.filter((each) => each.startsWith('{'))) {
        const { level, msg } = JSON.parse(line) as { level: number; msg: string };
        if (msg.startsWith('installed ')) this.#totals.installs += 1;
        // Those of a full disk end the process and are fatal.
        if (level === errorLevel) this.#totals.onError(msg);
      }
    }
  }

  get #elapsedMs(): number {
    return performance.now() - this.#startedAtMs;
  }

  #tell(words: string): void {
    process.stdout.write(`${(this.#elapsedMs / 1000).toFixed(1).padStart(7)}  ${words}\n`);
  }
}

/** Sees how long nobody is answered, and says how far it is. */
class Watch {
  readonly #clients: readonly ChaosClient[];
  readonly #totals: Totals;
  readonly #timer: NodeJS.Timeout;
  #isOn = false;
  #completed = 0;
  #progressAtMs = 0;

  constructor(clients: readonly ChaosClient[], totals: Totals, tell: (words: string) => void) {
    this.#clients = clients;
    this.#totals = totals;
    let reportedAtMs = performance.now();
    this.#timer = setInterval(() => {
      if (!this.#isOn) return;
      this.#look();
      if (performance.now() - reportedAtMs < reportMs) return;
      reportedAtMs = performance.now();
      tell(`  ${this.#completed} operations`);
    }, tickMs);
  }

  begin(): void {
    this.#isOn = true;
    this.#progressAtMs = performance.now();
  }

  end(): void {
    this.#look();
    this.#isOn = false;
  }

  close(): void {
    clearInterval(this.#timer);
  }

  #look(): void {
    const completed = this.#clients.reduce((total, client) => total + client.completed, 0);
    const nowMs = performance.now();
    const silenceMs = nowMs - this.#progressAtMs;
    this.#totals.longestSilenceMs = Math.max(this.#totals.longestSilenceMs, silenceMs);
    if (completed > this.#completed) this.#progressAtMs = nowMs;
    this.#completed = completed;
  }
}
