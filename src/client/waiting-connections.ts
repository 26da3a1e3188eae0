// Connections that wait: for a leader (not longer than `election-hold-ms`), for earlier commands of
// their own, for room, or for their replies to be sent.
//
// Nobody waits for ever, and who waits goes on in the order in which they came.

import type { Timers } from '../../raft/index.js';
import type { ServerOptions } from '../options.js';
import { ClientPause } from './client-pause.js';
import type { Connection, HoldReason } from './connection.js';
import type { Holds } from './dispatcher.js';
import { clusterDownReply } from './error-replies.js';

export interface WaitingConnectionsOptions {
  /** Read again for each use: CONFIG SET changes them. */
  readonly settings: Readonly<Pick<ServerOptions, 'electionHoldMs'>>;
  readonly timers: Pick<Timers, 'every'>;
  /** For how long somebody waits: a clock that is set must not lengthen it. */
  readonly monotonicMs: () => number;
}

/** How often waiting connections are looked through for those that waited too long. */
const holdCheckMs = 50;

export class WaitingConnections implements Holds {
  readonly #options: WaitingConnectionsOptions;
  /** Waiting for a leader: until when, in milliseconds of `monotonicMs`. Oldest first. */
  readonly #awaitingLeader = new Map<Connection, number>();
  readonly #awaitingApply = new Set<Connection>();
  readonly #awaitingRoom = new Set<Connection>();
  readonly #awaitingPauseEnd = new Set<Connection>();
  readonly pause: ClientPause;
  readonly #dirty: Connection[] = [];
  #cancelHoldChecks: (() => void) | undefined;

  constructor(options: WaitingConnectionsOptions) {
    this.#options = options;
    this.pause = new ClientPause({
      monotonicMs: options.monotonicMs,
      onEnd: () => resumeAll(this.#awaitingPauseEnd),
    });
  }

  /** Nobody is looked after any more. */
  stop(): void {
    this.#endHoldChecks();
    this.pause.end();
  }

  /** It is closed. */
  forget(connection: Connection): void {
    this.#awaitingLeader.delete(connection);
    this.#awaitingApply.delete(connection);
    this.#awaitingRoom.delete(connection);
    this.#awaitingPauseEnd.delete(connection);
  }

  // ---------------------------------------------------------------------------- waiting

  hold(connection: Connection, reason: HoldReason): void {
    connection.holdReason = reason;
    switch (reason) {
      case 'order':
        // `flush` goes on when the earlier commands are answered.
        return;
      case 'apply':
        this.#awaitingApply.add(connection);
        return;
      case 'overload':
        this.#awaitingRoom.add(connection);
        return;
      case 'pause':
        this.#awaitingPauseEnd.add(connection);
        return;
      case 'election': {
        if (this.#awaitingLeader.has(connection)) return;
        const { monotonicMs, settings, timers } = this.#options;
        this.#awaitingLeader.set(connection, monotonicMs() + settings.electionHoldMs);
        this.#cancelHoldChecks ??= timers.every(holdCheckMs, () => this.#checkHolds());
      }
    }
  }

  /** There is a leader, here or elsewhere: those who waited for it go on, in the order they came. */
  onLeader(): void {
    const waiting = [...this.#awaitingLeader];
    for (const [connection, until] of waiting) {
      this.#awaitingLeader.delete(connection);
      connection.resume();
      // Still none that serves: what it has waited already counts.
      if (this.#awaitingLeader.has(connection)) this.#awaitingLeader.set(connection, until);
    }
  }

  /** More entries are applied. */
  onApplied(): void {
    resumeAll(this.#awaitingApply);
  }

  /** There is room again. */
  onRoom(): void {
    resumeAll(this.#awaitingRoom);
  }

  #checkHolds(): void {
    const now = this.#options.monotonicMs();
    for (const [connection, until] of this.#awaitingLeader) {
      if (until > now) continue;
      this.#awaitingLeader.delete(connection);
      connection.rejectHeld(clusterDownReply);
      // What stood behind it has waited as long, and comes up again in this loop.
      if (this.#awaitingLeader.has(connection)) this.#awaitingLeader.set(connection, until);
    }
    if (this.#awaitingLeader.size === 0) this.#endHoldChecks();
  }

  #endHoldChecks(): void {
    this.#cancelHoldChecks?.();
    this.#cancelHoldChecks = undefined;
  }

  // ---------------------------------------------------------------------------- flushing

  /** The connection has replies for the next `flush`. */
  markDirty(connection: Connection): void {
    if (connection.isDirty) return;
    connection.isDirty = true;
    this.#dirty.push(connection);
  }

  /** One write for each connection that was answered since the last time. */
  flush(): void {
    // Flushing may run a held command, whose reply makes another connection dirty.
    for (let at = 0; at < this.#dirty.length; at += 1) this.#dirty[at]!.flush();
    this.#dirty.length = 0;
  }
}

/** Those that still have to wait come back into the set. */
function resumeAll(connections: Set<Connection>): void {
  if (connections.size === 0) return;
  const waiting = [...connections];
  connections.clear();
  for (const connection of waiting) connection.resume();
}
