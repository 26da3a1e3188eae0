// The counter example as real processes, to be killed and started again by a test.

import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { eventually } from './eventually.js';
import { freeBasePorts } from './free-ports.js';
import { runProgram } from './run-program.js';

/** The example, compiled beside this file. */
const examplePath = fileURLToPath(new URL('../../examples/counter.js', import.meta.url));
const deadlineMs = 20_000;

/** What `GET /` tells, of it what a test looks at. */
export interface CounterStatus {
  readonly lastIndex: number;
  readonly appliedIndex: number;
  readonly isServing: boolean;
  readonly snapshots: { readonly newest?: { readonly manifest: { readonly index: number } } };
}

export class CounterReplica {
  readonly directory: string;
  readonly url: string;
  readonly #logPath: string;
  #child: ChildProcess | undefined;

  constructor(directory: string, url: string) {
    this.directory = directory;
    this.url = url;
    this.#logPath = `${directory}.log`;
  }

  get isRunning(): boolean {
    const child = this.#child;
    return child !== undefined && child.exitCode === null && child.signalCode === null;
  }

  /** Everything it wrote, over all its lives. */
  get log(): string {
    return fs.readFileSync(this.#logPath, 'utf8');
  }

  /** Resolves when it answers. */
  async start(): Promise<void> {
    assert(!this.isRunning, 'The replica runs');
    const log = fs.openSync(this.#logPath, 'a');
    this.#child = spawn(process.execPath, [examplePath, 'serve', this.directory], {
      stdio: ['ignore', log, log],
    });
    fs.closeSync(log);
    await eventually(`${this.url} answers`, deadlineMs, async () => {
      assert(this.isRunning, `The replica ended: ${this.log}`);
      return await this.status();
    });
  }

  /** Resolves with the exit code when it has ended; null after a signal that killed it. */
  async end(signal: 'SIGKILL' | 'SIGTERM'): Promise<number | null> {
    const child = this.#child!;
    child.kill(signal);
    await eventually('the replica ends', deadlineMs, () => !this.isRunning);
    return child.exitCode;
  }

  killIfRunning(): void {
    if (this.isRunning) this.#child!.kill('SIGKILL');
  }

  async status(): Promise<CounterStatus> {
    const response = await fetch(this.url);
    return (await response.json()) as CounterStatus;
  }

  /** What was answered, wherever it redirected to. Throws when nobody answered. */
  async request(
    method: 'GET' | 'POST',
    path: string,
  ): Promise<{ readonly status: number; readonly text: string }> {
    const response = await fetch(`${this.url}${path}`, { method });
    return { status: response.status, text: (await response.text()).trim() };
  }
}

export class CounterUnderTest {
  readonly #parent: string;
  readonly replicas: readonly CounterReplica[];

  /** Three replicas, founded by the example itself and running. */
  static async start(): Promise<CounterUnderTest> {
    const ports = await freeBasePorts(6);
    const parent = fs.mkdtempSync(join(os.tmpdir(), 'holt-counter-'));
    const addresses = [0, 1, 2].map((at) => `${ports[at]}:${ports[at + 3]}`);
    const result = await runProgram(process.execPath, [examplePath, 'found', parent, ...addresses]);
    assert.equal(result.code, 0, result.stderr);
    const replicas = [0, 1, 2].map(
      (at) =>
        new CounterReplica(join(parent, `replica-${at + 1}`), `http://127.0.0.1:${ports[at]}`),
    );
    const counter = new CounterUnderTest(parent, replicas);
    await Promise.all(replicas.map((replica) => replica.start()));
    return counter;
  }

  private constructor(parent: string, replicas: readonly CounterReplica[]) {
    this.#parent = parent;
    this.replicas = replicas;
    living.add(this);
  }

  leader(): Promise<CounterReplica> {
    return eventually('a replica that serves', deadlineMs, async () => {
      for (const replica of this.replicas.filter(({ isRunning }) => isRunning)) {
        if ((await replica.status()).isServing) return replica;
      }
      return undefined;
    });
  }

  /** The value as any running replica tells it, through whatever redirects. */
  value(name: string): Promise<number> {
    return eventually('a value', deadlineMs, async () => {
      const replica = this.replicas.find(({ isRunning }) => isRunning)!;
      const { status, text } = await replica.request('GET', `/${name}`);
      return status === 200 ? Number(text) : undefined;
    });
  }

  dispose(): void {
    for (const replica of this.replicas) replica.killIfRunning();
    fs.rmSync(this.#parent, { recursive: true, force: true });
    living.delete(this);
  }

  static disposeAll(): void {
    for (const counter of living) counter.dispose();
  }
}

const living = new Set<CounterUnderTest>();
process.on('exit', () => CounterUnderTest.disposeAll());
