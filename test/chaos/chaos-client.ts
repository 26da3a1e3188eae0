// A client that does what cluster clients do, on real connections. What it hears decides what the history
// says, as in the simulation:
//
//   a reply                       the operation returned
//   MOVED, CLUSTERDOWN, MISCONF   it certainly had no effect: it is none
//   UNCERTAIN, a connection that  nobody knows: it stays open to the end
//   ended, no answer in time

import { commandsOf, transactionOf } from '../checkers/transaction.js';
import { randomInteger } from '../faults/seeded-random.js';
import { pause } from '../interop/eventually.js';
import {
  type Answer,
  ConnectionLost,
  ErrorAnswer,
  encodeRequest,
  plain,
  type RespConnection,
} from '../interop/resp-connection.js';
import { type ChaosServer, password } from './chaos-server.js';
import type { Epoch } from './load.js';
import type { Call, Recording } from './recording.js';

export interface ClientOptions {
  readonly number: number;
  readonly random: () => number;
  /** Reads at any replica, after READONLY, and writes nothing. */
  readonly isReader: boolean;
  readonly servers: () => readonly ChaosServer[];
  readonly epoch: () => Epoch;
  /** An answer that should never come. */
  readonly onFinding: (words: string) => void;
}

interface Request {
  readonly recording: Recording;
  readonly call: Call;
  readonly words: readonly (readonly string[])[];
}

/**
 * Some clients give up before others have a new leader to write to, and some while they wait for one that
 * stands still.
 */
const answerMsMin = 800;
const answerMsMax = 5_000;
const pauseMsMax = 30;
const refusedPauseMs = 50;
const watchShare = 0.05;
/** Commands under way at once, at most. */
const depthMax = 3;
/** Now and then a reader goes to another replica: one that was sent to the leader would stay there. */
const leaveChance = 0.02;

const refusalCodes = ['MOVED', 'CLUSTERDOWN', 'MISCONF', 'LOADING', 'TRYAGAIN', 'EXECABORT'];

export class ChaosClient {
  readonly #options: ClientOptions;
  #connection: RespConnection | undefined;
  #server: ChaosServer | undefined;
  /**
   * To be sent with the first commands, in one write: a server that stands still finds them together when it
   * goes on, and may not answer as if nothing had happened meanwhile.
   */
  #greetings: readonly (readonly string[])[] = [];
  /** Where to go next; undefined: anywhere. */
  #wanted: ChaosServer | undefined;
  #isStopped = false;
  #running: Promise<void> | undefined;
  #completed = 0;
  #ambiguous = 0;
  /** Why operations have no reply, where a server said so. */
  readonly refusals = new Map<string, number>();

  constructor(options: ClientOptions) {
    this.#options = options;
  }

  start(): void {
    this.#isStopped = false;
    this.#running = this.#run();
  }

  /** Resolves when nothing is under way any more. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#running;
    this.#disconnect();
  }

  get isReader(): boolean {
    return this.#options.isReader;
  }

  /** Operations that returned. */
  get completed(): number {
    return this.#completed;
  }

  /** Operations of which nobody knows what became of them. */
  get ambiguous(): number {
    return this.#ambiguous;
  }

  async #run(): Promise<void> {
    const { random, isReader } = this.#options;
    while (!this.#isStopped) {
      await pause(random() * pauseMsMax);
      if (isReader && random() < leaveChance) this.#disconnect();
      const connection = await this.#connected();
      if (connection === undefined) {
        await pause(refusedPauseMs);
        continue;
      }
      if (!isReader && random() < watchShare) {
        await this.#replaceWatched(connection);
        continue;
      }
      const depth = randomInteger(random, 1, depthMax);
      const isRefused = await this.#ask(
        connection,
        Array.from({ length: depth }, () => this.#request()),
      );
      if (isRefused) await pause(random() * refusedPauseMs);
    }
  }

  #request(): Request {
    const { epoch, isReader, number } = this.#options;
    return this.#called(epoch(), isReader ? epoch().nextRead() : epoch().next(number));
  }

  #called({ recording }: Epoch, command: readonly string[]): Request {
    const isTransaction = command[0] === 'MULTI';
    const words = isTransaction ? [['MULTI'], ...commandsOf(command), ['EXEC']] : [command];
    return { recording, call: recording.call(this.#options.number, command), words };
  }

  /** WATCH, GET, and a SET that must find what the GET found. */
  async #replaceWatched(connection: RespConnection): Promise<void> {
    const { epoch, number, random, onFinding } = this.#options;
    const current = epoch();
    const key = current.watchedKey;
    const read = this.#called(current, ['GET', key]);
    await this.#ask(connection, [
      {
        ...read,
        words: [
          ['WATCH', key],
          ['GET', key],
        ],
      },
    ]);
    if (read.call.returnedAt !== undefined) {
      await pause(random() * pauseMsMax);
      const value = current.value(number);
      const write = this.#called(
        current,
        transactionOf([
          ['GET', key],
          ['SET', key, value],
        ]),
      );
      await this.#ask(connection, [write]);
      const { reply } = write.call;
      if (Array.isArray(reply) && reply[0] !== read.call.reply) {
        onFinding(`client ${number} watched ${key} at ${read.call.reply} and met ${reply[0]}`);
      }
    }
    // A watch that was not used up would abort a transaction that means nothing by it.
    if (read.call.returnedAt === undefined) this.#disconnect();
  }

  async #connected(): Promise<RespConnection | undefined> {
    const isThere = this.#connection !== undefined && !this.#connection.isClosed;
    if (isThere && (this.#wanted === undefined || this.#wanted === this.#server)) {
      return this.#connection;
    }
    this.#disconnect();
    const { random, servers, isReader } = this.#options;
    const all = servers();
    const server = this.#wanted ?? all[randomInteger(random, 0, all.length - 1)];
    this.#wanted = undefined;
    const connection = await server?.open();
    if (connection === undefined) return undefined;
    this.#connection = connection;
    this.#server = server;
    this.#greetings = [['AUTH', password], ...(isReader ? [['READONLY']] : [])];
    return connection;
  }

  /** Nothing that was sent and not received yet is to arrive later: the kernel gives it up. */
  #disconnect(): void {
    this.#connection?.socket.resetAndDestroy();
    this.#connection = undefined;
    this.#server = undefined;
    this.#greetings = [];
  }

  /** Whether any was refused. */
  async #ask(connection: RespConnection, requests: readonly Request[]): Promise<boolean> {
    const answerMs = randomInteger(this.#options.random, answerMsMin, answerMsMax);
    const timer = setTimeout(() => connection.socket.resetAndDestroy(), answerMs);
    const greetings = this.#greetings;
    this.#greetings = [];
    const words = [...greetings, ...requests.flatMap((request) => request.words)];
    const answers = words.map(() => connection.next().catch((error: ConnectionLost) => error));
    connection.send(Buffer.concat(words.map(encodeRequest)));
    let isRefused = false;
    for (const _ of greetings) await answers.shift();
    for (const request of requests) {
      const answer = await decisive(answers.splice(0, request.words.length));
      if (answer instanceof ConnectionLost) this.#ambiguous += 1;
      else if (this.#onReply(request, plain(answer)) === 'refused') isRefused = true;
    }
    clearTimeout(timer);
    if (connection.isClosed) this.#disconnect();
    return isRefused;
  }

  #onReply({ recording, call }: Request, reply: unknown): 'refused' | undefined {
    const { onFinding, number } = this.#options;
    const code = typeof reply === 'string' ? /^-(\S+)/.exec(reply)?.[1] : undefined;
    if (reply === null && call.command[0] === 'MULTI') {
      recording.forget(call);
      this.#count('aborted by WATCH');
    } else if (code === undefined) {
      recording.return(call, reply);
      this.#completed += 1;
      const inner = Array.isArray(reply) ? reply.find(isError) : undefined;
      if (inner === undefined) return undefined;
      onFinding(`client ${number} heard ${inner} within the reply to ${call.command.join(' ')}`);
    } else if (refusalCodes.includes(code)) {
      recording.forget(call);
      this.#count(code);
      this.#turnFrom(reply as string);
      return 'refused';
    } else if (code === 'UNCERTAIN') {
      this.#ambiguous += 1;
      this.#count(code);
    } else onFinding(`client $numberheard $replyto $call.command.join(' ')`);
    return undefined;
  }

  #count(refusal: string): void {
    this.refusals.set(refusal, (this.refusals.get(refusal) ?? 0) + 1);
  }

  #turnFrom(refusal: string): void {
    const { servers, isReader } = this.#options;
    const address = refusal.startsWith('-MOVED ') ? refusal.split(' ')[2] : undefined;
    const leader = servers().find((server) => server.address === address);
    if (leader !== undefined && !isReader) this.#wanted = leader;
    // It may be no member any more, and will never know of a leader.
    else if (!refusal.startsWith('-EXECABORT') || isReader) this.#disconnect();
  }
}

/** The first error: what is refused is refused as a whole. Else the last answer. */
async function decisive(
  answers: readonly Promise<Answer | ConnectionLost>[],
): Promise<Answer | ConnectionLost> {
  const all = await Promise.all(answers);
  const wrong = all.find((each) => each instanceof ErrorAnswer || each instanceof ConnectionLost);
  return wrong ?? all.at(-1)!;
}

function isError(reply: unknown): boolean {
  return typeof reply === 'string' && reply.startsWith('-');
}
