// How a connection begins: the handshake of `handshake.ts` over fresh bytes, after which the
// connection is handed to whoever it is for.

import type { ReplicaId } from '../core/index.js';
import type { Chance, Connection, Timers } from '../effects.js';
import type { ReplicaIdentity } from '../identity.js';
import {
  decodeHello,
  encodeHello,
  helloBytes,
  isSameProof,
  nonceBytes,
  type Purpose,
  proof,
  proofBytes,
} from './handshake.js';

export const handshakeTimeoutMs = 5_000;
/** A greeting, and what a dialler may send right behind its proof. */
const greetingBytesMax = 256 * 1024;

/**
 * A connection that gives out exactly as many bytes as were asked for (`read`) until somebody listens
 * to all that comes (`onData`), who gets what was not read first. Of several callbacks the latest
 * counts.
 */
export class GreetingConnection implements Connection {
  readonly #connection: Connection;
  #bytes: Buffer = Buffer.alloc(0);
  #wanted = 0;
  #onRead: ((bytes: Buffer) => void) | undefined;
  #onData: ((chunk: Buffer) => void) | undefined;
  #onClose: (reason: string) => void = ignore;
  #trouble: string | undefined;

  constructor(connection: Connection) {
    this.#connection = connection;
    connection.onData((chunk) => {
      if (this.#onData !== undefined) return this.#onData(chunk);
      if (this.#bytes.length + chunk.length > greetingBytesMax) {
        return this.fail('it says more than a greeting');
      }
      this.#bytes = Buffer.concat([this.#bytes, chunk]);
      this.#deliver();
    });
    connection.onClose((reason) => this.#onClose(this.#trouble ?? reason));
  }

  read(byteLength: number, callback: (bytes: Buffer) => void): void {
    this.#wanted = byteLength;
    this.#onRead = callback;
    this.#deliver();
  }

  write(buffers: readonly Buffer[], sent: () => void): void {
    this.#connection.write(buffers, sent);
  }

  onData(callback: (chunk: Buffer) => void): void {
    this.#onData = callback;
    const early = this.#bytes;
    this.#bytes = Buffer.alloc(0);
    if (early.length > 0) callback(early);
  }

  onClose(callback: (reason: string) => void): void {
    this.#onClose = callback;
  }

  destroy(): void {
    this.#connection.destroy();
  }

  /** Closes it for a reason of this side's. */
  fail(reason: string): void {
    this.#trouble ??= reason;
    this.#connection.destroy();
  }

  #deliver(): void {
    const callback = this.#onRead;
    if (callback === undefined || this.#bytes.length < this.#wanted) return;
    const taken = this.#bytes.subarray(0, this.#wanted);
    this.#bytes = this.#bytes.subarray(this.#wanted);
    this.#onRead = undefined;
    callback(taken);
  }
}

export interface Greeting {
  readonly identity: ReplicaIdentity;
  readonly to: ReplicaId;
  readonly purpose: Purpose;
  readonly secret: Buffer;
  readonly chance: Pick<Chance, 'bytes'>;
  readonly timers: Timers;
}

/**
 * The dialler's side of the handshake. Calls back once: with nothing when both sides know each other,
 * or with what went wrong, after which the connection is closed.
 */
export function greetAcceptor(
  connection: GreetingConnection,
  greeting: Greeting,
  done: (trouble: string | undefined) => void,
): void {
  const { identity, to, purpose, secret, chance, timers } = greeting;
  const cancelTimeout = timers.after(handshakeTimeoutMs, () =>
    connection.fail('it does not answer'),
  );
  connection.onClose((reason) => {
    cancelTimeout();
    done(reason);
  });
  const own = encodeHello({ identity, to, purpose, nonce: chance.bytes(nonceBytes) });
  connection.write([own], ignore);
  connection.read(helloBytes + proofBytes, (answer) => {
    const acceptorHello = answer.subarray(0, helloBytes);
    const hello = decodeHello(acceptorHello, identity);
    if (typeof hello === 'string') return connection.fail(hello);
    if (hello.identity.replicaId !== to) {
      return connection.fail(`replica ${hello.identity.replicaId} answers there`);
    }
    const given = answer.subarray(helloBytes);
    if (!isSameProof(given, proof(secret, 'accept', own, acceptorHello))) {
      return connection.fail('its bus secret is not ours');
    }
    cancelTimeout();
    connection.onClose(ignore);
    connection.write([proof(secret, 'dial', own, acceptorHello)], ignore);
    done(undefined);
  });
}

export function ignore(): void {}
