// A real cluster of real processes, to be asked, killed and repaired by a test.
//
//   <temporary directory>/
//     server-1/ …         made by `holt init`
//     server-1.log …      what each server wrote, over all its lives
//
// The servers are started from the same compiled tree as the test that runs. Whatever happens, none
// outlives it: `dispose` kills them in an after-hook, and leaving the process does the same.
//
// A server may only die when the test means it to. `dispose` fails when a log has a line of level
// "fatal" that was not announced by `expectFatal`: a crash that the other servers hid from the
// clients is a failure all the same.

import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { eventually } from './eventually.js';
import { freeBasePorts } from './free-ports.js';
import { RespConnection } from './resp-connection.js';
import { type ProgramResult, runProgram } from './run-program.js';

/** `holt`, compiled beside this file. */
const mainPath = fileURLToPath(new URL('../../src/main.js', import.meta.url));

/** How long a cluster may take to have a leader that serves, on a busy machine. */
const leaderDeadlineMs = 15_000;
const startDeadlineMs = 15_000;
const exitDeadlineMs = 15_000;

/** Fields of INFO's section `raft`, and whatever else was asked for. */
export type Info = ReadonlyMap<string, string>;

export interface ClusterOptions {
  readonly serverCount?: number;
  /** More arguments of `holt server`, for every server. */
  readonly serverArguments?: readonly string[];
  readonly environment?: NodeJS.ProcessEnv;
  /** AUTH with this on every connection that the harness makes. */
  readonly password?: string;
  /** Runs between `init` and the start of the servers. */
  readonly prepare?: (servers: readonly ServerUnderTest[]) => void | Promise<void>;
}

export class ClusterUnderTest {
  readonly directory: string;
  readonly #options: ClusterOptions;
  readonly #servers: ServerUnderTest[];

  /** Resolves when a leader serves. */
  static async start(options: ClusterOptions = {}): Promise<ClusterUnderTest> {
    const cluster = await ClusterUnderTest.create(options);
    try {
      await options.prepare?.(cluster.servers);
      await Promise.all(cluster.servers.map((server) => server.start()));
      await cluster.leader();
    } catch (error) {
      const logs = cluster.logText();
      cluster.#destroy();
      throw new Error(`Cannot start the cluster. Its logs:\n${logs}`, { cause: error });
    }
    return cluster;
  }

  /** Made by `holt init`, and nothing started. */
  static async create(options: ClusterOptions = {}): Promise<ClusterUnderTest> {
    const basePorts = await freeBasePorts(options.serverCount ?? 3);
    const directory = fs.mkdtempSync(join(os.tmpdir(), 'holt-interop-'));
    const addresses = basePorts.flatMap((port) => ['--server', `127.0.0.1:${port}`]);
    const result = await runHolt(['init', '--dir', directory, ...addresses]);
    assert.equal(result.code, 0, result.stderr);
    return new ClusterUnderTest(directory, basePorts, options);
  }

  private constructor(directory: string, basePorts: readonly number[], options: ClusterOptions) {
    this.directory = directory;
    this.#options = options;
    this.#servers = basePorts.map(
      (basePort, at) => new ServerUnderTest(directory, at + 1, basePort, options),
    );
    living.add(this);
  }

  /** With those that joined later. */
  get servers(): readonly ServerUnderTest[] {
    return this.#servers;
  }

  /**
   * A server that is not yet there, with a directory that has the bus secret and nothing else; `number`
   * is that of one that was there when it takes its place. To be started by `startJoining`.
   */
  async newServer(number = this.#servers.length + 1): Promise<ServerUnderTest> {
    const [basePort] = await freeBasePorts(1);
    const server = new ServerUnderTest(this.directory, number, basePort!, this.#options);
    fs.mkdirSync(server.directory, { recursive: true });
    const paths = this.#servers.map(({ directory }) => join(directory, 'bus-secret'));
    const secret = fs.readFileSync(paths.find((path) => fs.existsSync(path))!);
    fs.writeFileSync(join(server.directory, 'bus-secret'), secret);
    this.#servers.push(server);
    return server;
  }

  server(number: number): ServerUnderTest {
    return this.servers[number - 1]!;
  }

  /** The server that leads and serves; waits for one. */
  leader(deadlineMs = leaderDeadlineMs): Promise<ServerUnderTest> {
    return eventually('a leader that serves', deadlineMs, async () => {
      for (const server of this.servers) {
        if (server.isAsleep) continue;
        const info = await server.infoIfUp('raft');
        if (info?.get('raft_serving') === '1') return server;
      }
      return undefined;
    });
  }

  /** The running servers that do not lead. */
  async followers(): Promise<ServerUnderTest[]> {
    const leader = await this.leader();
    return this.servers.filter((server) => server !== leader && server.isRunning);
  }

  /** Waits until every one has applied what the leader has, and holds the same number of keys. */
  async converged(deadlineMs = 15_000, servers = this.servers): Promise<void> {
    await eventually('all servers have applied the same entries', deadlineMs, async () => {
      const infos = await Promise.all(servers.map((server) => server.info()));
      const states = infos.map((info) => {
        const [last, applied] = [info.get('raft_last_index'), info.get('raft_applied_index')];
        return `last ${last}, applied ${applied}, ${info.get('db0') ?? 'no keys'}`;
      });
      const [first] = states;
      const isLastApplied =
        infos[0]!.get('raft_last_index') === infos[0]!.get('raft_applied_index');
      if (isLastApplied && states.every((state) => state === first)) return true;
      throw new Error(states.join('; '));
    });
  }

  logText(): string {
    return this.servers.map((server) => `server ${server.number}:\n${server.log}`).join('\n');
  }

  /** Kills all and removes the directory. Throws when a server had died by itself. */
  dispose(): void {
    const unexpected = this.servers.flatMap((server) => server.unexpectedFatalLines);
    this.#destroy();
    assert.deepEqual(unexpected, [], 'a server ended by itself');
  }

  #destroy(): void {
    for (const server of this.servers) server.killIfRunning();
    fs.rmSync(this.directory, { recursive: true, force: true });
    living.delete(this);
  }

  static destroyAll(): void {
    for (const cluster of living) cluster.#destroy();
  }
}

const living = new Set<ClusterUnderTest>();
process.on('exit', () => ClusterUnderTest.destroyAll());
// Ended from outside, a process leaves without 'exit' unless it is told otherwise.
for (const signal of ['SIGTERM', 'SIGHUP'] as const) process.once(signal, () => process.exit(1));

export class ServerUnderTest {
  readonly number: number;
  readonly clientPort: number;
  readonly busPort: number;
  readonly directory: string;
  readonly basePort: number;
  readonly #logPath: string;
  readonly #options: ClusterOptions;
  #child: ChildProcess | undefined;
  #isPaused = false;
  #isFatalExpected = false;

  constructor(parent: string, number: number, basePort: number, options: ClusterOptions) {
    this.number = number;
    this.basePort = basePort;
    this.clientPort = basePort + 1;
    this.busPort = basePort + 10_001;
    this.directory = join(parent, `server-${number}`);
    this.#logPath = join(parent, `server-${number}.log`);
    this.#options = options;
  }

  get address(): string {
    return `127.0.0.1:${this.clientPort}`;
  }

  get groupDirectory(): string {
    return join(this.directory, 'group-1');
  }

  // ---------------------------------------------------------------------------- life and death

  /** Starts the process; `start` also waits until clients can connect. */
  launch(extraArguments: readonly string[] = []): void {
    assert(!this.isRunning, `Server ${this.number} is running`);
    const { serverArguments = [], environment = {} } = this.#options;
    const log = fs.openSync(this.#logPath, 'a');
    const args = ['server', '--dir', this.directory, ...serverArguments, ...extraArguments];
    this.#child = spawn(process.execPath, [mainPath, ...args], {
      env: { ...process.env, ...environment },
      stdio: ['ignore', log, log],
    });
    fs.closeSync(log);
    this.#isPaused = false;
  }

  async start(extraArguments: readonly string[] = []): Promise<void> {
    this.launch(extraArguments);
    await eventually(`server ${this.number} takes connections`, startDeadlineMs, async () => {
      assert(this.isRunning, `Server ${this.number} ended: ${this.log}`);
      return (await this.infoIfUp('server')) !== undefined;
    });
  }

  /** Starts it for the first time, as one that joins the cluster of `member`. */
  startJoining(member: ServerUnderTest): Promise<void> {
    return this.start(this.joinArguments(member));
  }

  joinArguments(member: ServerUnderTest): string[] {
    return ['--join', member.address, '--join-as', `127.0.0.1:${this.basePort}`];
  }

  get isRunning(): boolean {
    const child = this.#child;
    return child !== undefined && child.exitCode === null && child.signalCode === null;
  }

  /** Paused or not running: no use asking it. */
  get isAsleep(): boolean {
    return this.#isPaused || !this.isRunning;
  }

  get pid(): number {
    assert(this.isRunning, `Server ${this.number} is not running`);
    return this.#child!.pid!;
  }

  /** What a power cut is to the process, but not to the page cache. */
  async kill9(): Promise<void> {
    this.#child!.kill('SIGKILL');
    await this.exited();
  }

  /** SIGTERM: it hands over and closes. Resolves with the exit code. */
  async stop(): Promise<number> {
    this.#child!.kill('SIGTERM');
    return this.exited();
  }

  async restart(): Promise<void> {
    if (this.isRunning) await this.stop();
    await this.start();
  }

  pause(): void {
    this.#child!.kill('SIGSTOP');
    this.#isPaused = true;
  }

  resume(): void {
    this.#child!.kill('SIGCONT');
    this.#isPaused = false;
  }

  /** Resolves with the exit code, -1 after a signal. */
  async exited(deadlineMs = exitDeadlineMs): Promise<number> {
    const child = this.#child!;
    await eventually(`server ${this.number} ends`, deadlineMs, () => !this.isRunning);
    return child.exitCode ?? -1;
  }

  killIfRunning(): void {
    if (this.isRunning) this.#child!.kill('SIGKILL');
  }

  // ---------------------------------------------------------------------------- what it says

  /** Everything it wrote, over all its lives. */
  get log(): string {
    return fs.existsSync(this.#logPath) ? fs.readFileSync(this.#logPath, 'utf8') : '';
  }

  /** The sentences of its log lines of level "fatal". */
  get fatalLines(): string[] {
    return this.#fatals.map(({ msg }) => msg);
  }

  get #fatals(): LogLine[] {
    return this.log
      .split('\n')
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line) as LogLine)
      .filter(({ level }) => level === 60);
  }

  /** From here on this server may end by itself. */
  expectFatal(): void {
    this.#isFatalExpected = true;
  }

  /** With where they come from. */
  get unexpectedFatalLines(): string[] {
    if (this.#isFatalExpected) return [];
    return this.#fatals.map(({ msg, err }) => `server ${this.number}: ${msg}\n${err?.stack}`);
  }

  /** Starts it, which must fail; returns the sentence with which it refused. */
  async refusal(extraArguments: readonly string[] = []): Promise<string> {
    this.expectFatal();
    const before = this.fatalLines.length;
    this.launch(extraArguments);
    const code = await this.exited();
    assert.equal(code, 1, `Server ${this.number} ended with ${code}`);
    const lines = this.fatalLines.slice(before);
    assert.equal(lines.length, 1, `Server ${this.number} said: ${this.log}`);
    return lines[0]!;
  }

  async connect(): Promise<RespConnection> {
    const connection = await RespConnection.open(this.clientPort);
    const { password } = this.#options;
    if (password !== undefined) assert.equal(await connection.call('AUTH', password), 'OK');
    return connection;
  }

  /** One command over a connection of its own. */
  async call(...args: (string | number | Buffer)[]): Promise<unknown> {
    const connection = await this.connect();
    try {
      return await connection.call(...args);
    } finally {
      connection.close();
    }
  }

  async info(section = 'everything'): Promise<Info> {
    const text = await this.call('INFO', section);
    assert(typeof text === 'string');
    const fields = text
      .split('\r\n')
      .filter((line) => line.includes(':'))
      .map((line): [string, string] => {
        const colon = line.indexOf(':');
        return [line.slice(0, colon), line.slice(colon + 1)];
      });
    return new Map(fields);
  }

  /** Undefined when nobody listens. */
  async infoIfUp(section: string): Promise<Info | undefined> {
    try {
      return await this.info(section);
    } catch (error) {
      if (['ECONNREFUSED', 'ECONNRESET'].includes((error as NodeJS.ErrnoException).code ?? '')) {
        return undefined;
      }
      if ((error as Error).name === 'ConnectionLost') return undefined;
      throw error;
    }
  }

  /** Resident memory of the process. Bytes. */
  get residentBytes(): number {
    const status = fs.readFileSync(`/proc/${this.pid}/status`, 'utf8');
    return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)![1]) * 1024;
  }

  /** Open files and sockets of the process. */
  get descriptorCount(): number {
    return fs.readdirSync(`/proc/${this.pid}/fd`).length;
  }
}

interface LogLine {
  readonly level: number;
  readonly msg: string;
  readonly err?: { readonly stack: string };
}

/** Runs another command of `holt` to its end. */
export function runHolt(
  args: readonly string[],
  environment: NodeJS.ProcessEnv = {},
): Promise<ProgramResult> {
  return runProgram(process.execPath, [mainPath, ...args], {
    environment: { ...process.env, ...environment },
  });
}
