// A client that does what cluster clients do: it asks whom it takes for the leader, follows MOVED, and
// tries elsewhere when nobody answers. It never sends a command again whose fate it does not know.
//
// What it hears decides what the history says:
//
//   a reply                       the operation returned
//   MOVED, CLUSTERDOWN, MISCONF   it certainly had no effect: asked again elsewhere, or never was
//   UNCERTAIN, a connection that  nobody knows: it stays open to the end
//   ended, no answer in time

import assert from 'node:assert/strict';
import Parser from 'redis-parser';
import { randomInteger } from '../faults/seeded-random.js';
import type { SimWorld } from '../faults/sim-world.js';
import { encodeRequest } from '../interop/resp-connection.js';
import type { CommandSource } from './commands.js';
import type { History, Operation } from './history.js';
import type { SimServer } from './sim-server.js';
import { SimSocket } from './sim-socket.js';
import type { Transcript } from './transcript.js';

export interface SimClientOptions {
  readonly number: number;
  readonly world: SimWorld;
  readonly transcript: Transcript;
  readonly history: History;
  readonly source: CommandSource;
  /** All there are, members or not. */
  readonly servers: () => readonly SimServer[];
  /** Reads at any replica, after READONLY, and writes nothing. */
  readonly isReader: boolean;
  readonly pauseMsMax: number;
  /** Commands under way at once, at most. */
  readonly depthMax: number;
  readonly delayMsMax: number;
}

interface Awaited {
  readonly operation: Operation;
  /** Of this client's operations, from 1. */
  readonly serial: number;
  /** Sent again after a definite refusal so often. */
  readonly tries: number;
}

const answerMsMax = 4_000;
const triesMax = 8;

export class SimClient {
  readonly #options: SimClientOptions;
  #socket: SimSocket | undefined;
  #server: SimServer | undefined;
  /** Where to go next; undefined: anywhere. */
  #wanted: SimServer | undefined;
  /** In the order in which they were sent. */
  #awaited: Awaited[] = [];
  /** Certainly without effect: to be asked again, at the server that the last one was told of. */
  readonly #refused: Awaited[] = [];
  #movedTo: SimServer | undefined;
  /** READONLY is under way: its answer belongs to no operation. */
  #greetings = 0;
  #connections = 0;
  #isStopped = false;
  #cancelNext = (): void => {};
  #serials = 0;
  /** Operations that returned, and the last of them. */
  completed = 0;
  #answeredUpTo = 0;

  constructor(options: SimClientOptions) {
    this.#options = options;
  }

  start(): void {
    this.#next();
  }

  /** No more commands; those under way come to their end. */
  stop(): void {
    this.#isStopped = true;
  }

  get number(): number {
    return this.#options.number;
  }

  /** Serial numbers of the last operation that was begun, and of the last that returned. */
  get asked(): number {
    return this.#serials;
  }

  get answeredUpTo(): number {
    return this.#answeredUpTo;
  }

  get isIdle(): boolean {
    return this.#awaited.length === 0 && this.#refused.length === 0;
  }

  /** The server that its connection leads to, for whoever wants to cut it. */
  get socket(): SimSocket | undefined {
    return this.#socket;
  }

  /** One thing at a time: whatever it was about to do, it does this instead. */
  #later(ms: number, callback: () => void): void {
    this.#cancelNext();
    this.#cancelNext = this.#options.world.after(ms, callback);
  }

  #next(): void {
    const { world, pauseMsMax, isReader } = this.#options;
    this.#later(world.random() * pauseMsMax, () => {
      if (this.#isStopped) return;
      // One that was sent to the leader would stay there.
      if (isReader && world.random() < 0.1) this.#disconnect();
      const count = randomInteger(world.random, 1, this.#options.depthMax);
      this.#send(Array.from({ length: count }, () => this.#call()));
    });
  }

  #call(): Awaited {
    const { number, history, source, isReader } = this.#options;
    const command = isReader ? source.nextRead() : source.next(number);
    this.#serials += 1;
    return { operation: history.call(number, command), serial: this.#serials, tries: 0 };
  }

  #send(awaited: readonly Awaited[]): void {
    const socket = this.#connected();
    this.#awaited.push(...awaited);
    if (socket === undefined) return this.#onLost(this.#connections, 'nobody is there');
    const { transcript, number } = this.#options;
    for (const { operation } of awaited) {
      transcript.tell(`client ${number} asks ${this.#server!.name}: ${shown(operation.command)}`);
    }
    const requests = awaited.map(({ operation }) => encodeRequest(operation.command));
    socket.send(Buffer.concat(requests));
    const connection = this.#connections;
    this.#options.world.after(answerMsMax, () => {
      const isWaiting = awaited.some((one) => this.#awaited.includes(one));
      if (isWaiting) this.#onLost(connection, 'no answer');
    });
  }

  #connected(): SimSocket | undefined {
    const { world, servers, isReader, delayMsMax } = this.#options;
    if (
      this.#socket !== undefined &&
      (this.#wanted === undefined || this.#wanted === this.#server)
    ) {
      return this.#socket;
    }
    this.#disconnect();
    const all = servers();
    const server = this.#wanted ?? all[randomInteger(world.random, 0, all.length - 1)]!;
    this.#wanted = undefined;
    if (!server.isRunning) return undefined;
    const { process } = server;
    const connection = this.#connections;
    const parser = new Parser({
      returnReply: (reply) => this.#onReply(connection, reply),
      returnError: (error) => this.#onReply(connection, error),
    });
    const socket = new SimSocket({
      world,
      delayMsMax,
      toServer: (callback) => process.timers.run(callback),
      client: {
        onData: (bytes) => parser.execute(bytes),
        onClose: () => this.#onLost(connection, 'the connection was closed'),
      },
    });
    server.accept(socket);
    this.#socket = socket;
    this.#server = server;
    if (isReader) {
      this.#greetings = 1;
      socket.send(encodeRequest(['READONLY']));
    }
    return socket;
  }

  #disconnect(): void {
    this.#connections += 1;
    this.#socket?.close();
    this.#socket = undefined;
    this.#server = undefined;
    this.#greetings = 0;
  }

  #onReply(connection: number, reply: unknown): void {
    if (connection !== this.#connections) return;
    if (this.#greetings > 0) {
      this.#greetings -= 1;
      return;
    }
    const awaited = this.#awaited.shift();
    assert(awaited !== undefined, 'A reply that nobody asked for');
    const { operation, serial } = awaited;
    const { history, transcript, number } = this.#options;
    const text = reply instanceof Error ? `-${reply.message}` : undefined;
    const heard = abbreviated(text ?? JSON.stringify(reply));
    transcript.tell(`client ${number} hears ${shown(operation.command)}: ${heard}`);
    if (text === undefined) {
      history.return(operation, reply);
      this.completed += 1;
      this.#answeredUpTo = serial;
    } else if (text.startsWith('-MISCONF')) history.forget(operation);
    else if (text.startsWith('-MOVED ') || text.startsWith('-CLUSTERDOWN')) {
      this.#onRefused(awaited, text);
    } else if (!text.startsWith('-UNCERTAIN')) assert.fail(`${shown(operation.command)}: ${text}`);
    this.#goOn();
  }

  /** It is asked again when everything that was sent with it is answered. */
  #onRefused(awaited: Awaited, text: string): void {
    const { operation, tries } = awaited;
    const { history, servers } = this.#options;
    if (tries >= triesMax || this.#isStopped) return history.forget(operation);
    const address = text.startsWith('-MOVED ') ? text.split(' ')[2] : undefined;
    this.#refused.push({ ...awaited, tries: tries + 1 });
    this.#movedTo = servers().find(
      ({ member }) => `${member.host}:${member.clientPort}` === address,
    );
  }

  #goOn(): void {
    if (this.#awaited.length > 0) return;
    if (this.#refused.length === 0) return this.#next();
    const { world } = this.#options;
    this.#wanted = this.#movedTo;
    if (this.#wanted === undefined) this.#disconnect();
    const pauseMs = this.#wanted === undefined ? 50 + 100 * world.random() : 0;
    this.#later(pauseMs, () => this.#send(this.#refused.splice(0)));
  }

  #onLost(connection: number, reason: string): void {
    if (connection !== this.#connections) return;
    const { transcript, number, world, history } = this.#options;
    const isSent = this.#socket !== undefined;
    this.#disconnect();
    // It was about to do something anyway.
    if (this.#awaited.length === 0) return;
    if (isSent) transcript.tell(`client ${number}: ${reason}`);
    // Of commands that were never sent it is known what became of them.
    if (!isSent) for (const { operation } of this.#awaited) history.forget(operation);
    this.#awaited = [];
    this.#later(20 + 50 * world.random(), () => this.#goOn());
  }
}

function shown(command: readonly string[]): string {
  return command.map(abbreviated).join(' ');
}

function abbreviated(text: string): string {
  return text.length > 100 ? `${text.slice(0, 60)}…${text.slice(-20)} (${text.length})` : text;
}
