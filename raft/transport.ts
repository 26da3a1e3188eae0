// How messages travel, as the loop sees it. The bus (`raft/net/`) is the real one; a simulated
// network is another.

import type { Block } from './buffer-pool.js';
import type { Message, ReplicaId } from './core/index.js';
import type { Connection } from './effects.js';
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
  /** `from` opened a connection to send a snapshot on; whoever is told closes it. */
  onSnapshotConnection(from: ReplicaId, connection: Connection): void;
}

export interface PeerAddress {
  readonly replicaId: ReplicaId;
  readonly host: string;
  /** The peer's bus port. */
  readonly port: number;
}

export interface Transport {
  start(events: TransportEvents): void;
  /** Whom to be connected to from now on. Others that connect to this replica are heard and answered. */
  setPeers(peers: readonly PeerAddress[]): void;
  /** Queues a message; without a link it is dropped. Raft repeats what matters. */
  send(outgoing: OutgoingMessage): void;
  /** Sends what was queued, in one write per peer. */
  flush(): void;
  isLinked(to: ReplicaId): boolean;
  /**
   * Opens a connection of its own for a snapshot, which `to` is told of by `onSnapshotConnection`.
   * Calls back once. Whoever asked closes it.
   */
  connectForSnapshot(
    to: ReplicaId,
    done: (error: Error | undefined, connection: Connection | undefined) => void,
  ): void;
  stop(): void;
}
