// One server: a process that is started, hurt and started again.

import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import fs from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { eventually } from '../interop/eventually.js';
import { ConnectionLost, RespConnection } from '../interop/resp-connection.js';
import type { Place } from './network.js';

/** `holt`, compiled beside this file. */
export const holtPath = fileURLToPath(new URL('../../src/main.js', import.meta.url));
const clockPath = fileURLToPath(new URL('./skewed-clock.js', import.meta.url));

/** Other addresses than loopback take one. */
export const password = 'chaos';

/**
 * The least that there is, so that logs are cut and snapshots sent within seconds. The disk that fills up is
 * refused writes first, and then really full.
 */
const serverArguments = [
  ...['--max-segment-file-size', '1mb'],
  ...['--snapshot-min-log-size', '1mb'],
  ...['--snapshot-period-seconds', '20'],
  ...['--min-free-disk', '8mb'],
];

const connectMsMax = 1_000;
const answerMsMax = 2_000;
const stopMsMax = 30_000;
const startMsMax = 60_000;
const lastLinesShown = 3;

export interface ServerEvents {
  /** It ended, and nobody meant it to. */
  readonly onDeath: (server: ChaosServer, words: string) => void;
}

export class ChaosServer {
  readonly number: number;
  readonly directory: string;
  readonly place: Place;
  readonly logPath: string;
  readonly #clockFile: string;
  readonly #events: ServerEvents;
  #child: ChildProcess | undefined;
  #isMeantToEnd = false;
  #isPaused = false;
  /** Its disk is full: it may end by itself. */
  isDiskFull = false;
  /** It is not known to be a member yet. When nobody answers it, it ends, and says so. */
  isJoining = false;
  /** It is no member any more, and its directory is gone. */
  isGone = false;

  constructor(parent: string, number: number, place: Place, events: ServerEvents) {
    this.number = number;
    this.directory = join(parent, `server-${number}`);
    this.logPath = join(parent, `server-${number}.log`);
    this.#clockFile = join(parent, `clock-${number}`);
    this.place = place;
    this.#events = events;
    fs.writeFileSync(this.#clockFile, '0');
  }

  get clientPort(): number {
    return this.place.basePort + 1;
  }

  get address(): string {
    return `${this.place.host}:${this.clientPort}`;
  }

  get isRunning(): boolean {
    const child = this.#child;
    return child !== undefined && child.exitCode === null && child.signalCode === null;
  }

  /** It runs and is not paused. */
  get isAwake(): boolean {
    return this.isRunning && !this.#isPaused;
  }

  // ---------------------------------------------------------------------------- life and death

  /** Nothing when it runs. */
  launch(more: readonly string[] = []): void {
    if (this.isRunning || this.isGone) return;
    const { host, prefix } = this.place;
    const server = ['server', '--dir', this.directory, '--bind', host, ...serverArguments, ...more];
    const node = [process.execPath, '--import', clockPath, holtPath, ...server];
    const [program, ...args] = [...prefix, ...node];
    const log = fs.openSync(this.logPath, 'a');
    const logStart = fs.fstatSync(log).size;
    const child = spawn(program!, args, {
      env: { ...process.env, HOLT_REQUIREPASS: password, CHAOS_CLOCK_FILE: this.#clockFile },
      stdio: ['ignore', log, log],
    });
    fs.closeSync(log);
    this.#isMeantToEnd = false;
    this.#isPaused = false;
    this.#child = child;
    child.once('exit', (code, signal) => {
      if (this.#isMeantToEnd || this.isDiskFull || this.isJoining) return;
      this.#events.onDeath(this, `${signal ?? `exit code ${code}`}: ${this.#lastWords(logStart)}`);
    });
  }

  /** Resolves when it answers. Throws when it ends before. */
  async started(): Promise<void> {
    await this.startedOrEnded();
    assert(this.isRunning, `Server ${this.number} ended`);
  }

  async startedOrEnded(): Promise<void> {
    await eventually(`server ${this.number} answers`, startMsMax, async () => {
      return !this.isRunning || (await this.info('server')) !== undefined;
    });
  }

  /** Resolves when it has ended. SIGTERM lets it hand over and close first. */
  async end(signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
    if (!this.isRunning) return;
    this.#isMeantToEnd = true;
    const child = this.#child!;
    child.kill(signal);
    if (this.#isPaused && signal === 'SIGTERM') child.kill('SIGCONT');
    this.#isPaused = false;
    await eventually(`server ${this.number} ends`, stopMsMax, () => {
      return child.exitCode !== null || child.signalCode !== null;
    });
  }

  /** For the end of this process, where nothing can be waited for. */
  killNow(): void {
    this.#isMeantToEnd = true;
    this.#child?.kill('SIGKILL');
  }

  pause(): void {
    if (!this.isRunning) return;
    this.#isPaused = true;
    this.#child!.kill('SIGSTOP');
  }

  resume(): void {
    if (!this.isRunning) return;
    this.#isPaused = false;
    this.#child!.kill('SIGCONT');
  }

  /** Within a moment when it runs, and at every later start. */
  setClock(offsetMs: number): void {
    fs.writeFileSync(this.#clockFile, String(offsetMs));
  }

  // ---------------------------------------------------------------------------- what it says

  /** Undefined when nobody is there; one that is paused is. */
  async open(): Promise<RespConnection | undefined> {
    try {
      return await RespConnection.open(this.clientPort, this.place.host, connectMsMax);
    } catch (error) {
      throwUnlessUnreachable(error);
      return undefined;
    }
  }

  /** Undefined when nobody answers in time. */
  async connect(): Promise<RespConnection | undefined> {
    const connection = this.isAwake ? await this.open() : undefined;
    if (connection === undefined) return undefined;
    try {
      if ((await callWithin(answerMsMax, connection, 'AUTH', password)) === 'OK') return connection;
    } catch (error) {
      throwUnlessUnreachable(error);
    }
    connection.close();
    return undefined;
  }

  /** One command over a connection of its own; undefined when nobody answers in time. */
  async call(...args: readonly string[]): Promise<unknown> {
    const connection = await this.connect();
    if (connection === undefined) return undefined;
    try {
      return await callWithin(answerMsMax, connection, ...args);
    } catch (error) {
      throwUnlessUnreachable(error);
      return undefined;
    } finally {
      connection.close();
    }
  }

  async info(section: string): Promise<ReadonlyMap<string, string> | undefined> {
    const text = await this.call('INFO', section);
    if (typeof text !== 'string') return undefined;
    const fields = text.split('\r\n').map((line): [string, string] => {
      const colon = line.indexOf(':');
      return [line.slice(0, colon), line.slice(colon + 1)];
    });
    return new Map(fields);
  }

  #lastWords(logStart: number): string {
    const text = fs.readFileSync(this.logPath).subarray(logStart).toString();
    return text.trim().split('\n').slice(-lastLinesShown).join('\n');
  }
}

/** A server that is not there, is not reached or does not answer in time is nothing to wonder at. */
export function throwUnlessUnreachable(error: unknown): void {
  if (error instanceof ConnectionLost) return;
  if (typeof (error as NodeJS.ErrnoException).syscall === 'string') return;
  throw error;
}

/** Throws when the answers do not come in time: the connection is gone then. */
export async function pipelineWithin(
  ms: number,
  connection: RespConnection,
  commands: readonly (readonly string[])[],
): Promise<unknown[]> {
  const timer = setTimeout(() => connection.close(), ms);
  try {
    return await connection.pipeline(commands);
  } finally {
    clearTimeout(timer);
  }
}

export async function callWithin(
  ms: number,
  connection: RespConnection,
  ...args: readonly string[]
): Promise<unknown> {
  const [answer] = await pipelineWithin(ms, connection, [args]);
  return answer;
}
