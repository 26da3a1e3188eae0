// Clients whose command waits for something to happen, as WAIT does. Each ends in one of four ways:
// what it waits for is there, its time is up, CLIENT UNBLOCK wakes it, or its connection ends.

import { type ErrorReply, errorReply, type Reply } from '../../resp/index.js';
import type { Blocking } from './commands/table.js';
import type { Connection, PendingCommand } from './connection.js';

interface BlockedClient {
  readonly pending: PendingCommand;
  readonly blocking: Blocking;
  timer: NodeJS.Timeout | undefined;
}

const demotedReply = errorReply(
  'UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)',
);

/** A longer timer fires at once; nobody waits for 24 days. */
const timerMsMax = 2 ** 31 - 1;

export class BlockedClients {
  readonly #clients = new Map<Connection, BlockedClient>();

  get count(): number {
    return this.#clients.size;
  }

  /** The connection does nothing else until `pending` is answered. */
  block(pending: PendingCommand, blocking: Blocking): void {
    const { connection } = pending;
    const client: BlockedClient = { pending, blocking, timer: undefined };
    const { timeoutMs } = blocking;
    if (timeoutMs > 0) {
      const onTimeout = (): void => this.#end(connection, blocking.reply());
      client.timer = setTimeout(onTimeout, Math.min(timeoutMs, timerMsMax));
    }
    this.#clients.set(connection, client);
    connection.block(pending);
  }

  /** Something happened: those whose wait is over are answered. */
  check(): void {
    if (this.#clients.size === 0) return;
    for (const [connection, { blocking }] of [...this.#clients]) {
      if (blocking.isDone()) this.#end(connection, blocking.reply());
    }
  }

  /** False when that client is not blocked. Without an error it is as if its time were up. */
  unblock(sessionId: number, error: ErrorReply | undefined): boolean {
    for (const [connection, { blocking }] of this.#clients) {
      if (connection.session.id !== sessionId) continue;
      this.#end(connection, error ?? blocking.reply());
      return true;
    }
    return false;
  }

  /** This replica leads no more: it cannot know what they wait for. Their connections end, too. */
  onDemoted(): void {
    for (const [connection, { blocking }] of [...this.#clients]) {
      if (blocking.outlivesLeadership === true) continue;
      connection.session.isClosing = true;
      this.#end(connection, demotedReply);
    }
  }

  forget(connection: Connection): void {
    clearTimeout(this.#clients.get(connection)?.timer);
    this.#clients.delete(connection);
  }

  #end(connection: Connection, reply: Reply): void {
    const { pending } = this.#clients.get(connection)!;
    this.forget(connection);
    connection.unblock(pending, reply);
  }
}
