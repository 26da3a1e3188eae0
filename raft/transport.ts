// How messages travel, as the loop sees it. The bus (`raft/net/`) is the real one; a simulated
// network is another.

import type { Block } from './buffer-pool.js';
import type { Message, ReplicaId } from './core/index.js';
import type { Entry } from './entry.js';

export interface OutgoingMessage {
  readonly message: Message;
  /** With an append: exactly the entries it announces. */
  readonly entries: readonly Entry[];
  /** Where the payloads lie; each is retained until the bytes have left. */
  readonly blocks: readonly Block[];
}

export interface IncomingMessage {
  readonly message: Message;
  /** The sender's wall clock when it was sent, in milliseconds since the epoch. */
  readonly wallMs: number;
  readonly entries: readonly Entry[];
  /** Where the payloads lie, behind room for a frame's header; the receiver releases it. */
  readonly block: Block | undefined;
}

export interface TransportEvents {
  onMessage(incoming: IncomingMessage): void;
  /** Bytes of a message that is not complete yet arrived. */
  onLinkAlive(from: ReplicaId): void;
  /** Messages to `to` that were on their way may be lost. */
  onLinkLost(to: ReplicaId): void;
}

export interface Transport {
  start(events: TransportEvents): void;
  /** Queues a message; without a link it is dropped. Raft repeats what matters. */
  send(outgoing: OutgoingMessage): void;
  /** Sends what was queued, in one write per peer. */
  flush(): void;
  isLinked(to: ReplicaId): boolean;
  stop(): void;
}
