// What a server remembers of one client besides its bytes.

import type { ProtocolVersion } from '../../resp/index.js';
import type { Transaction } from './transaction.js';
import { WatchedKeys } from './watched-keys.js';

export class Session {
  /** Never used again by another connection of this replica. */
  readonly id: number;
  /** `host:port` of the client, and of this end. */
  readonly address: string;
  readonly localAddress: string;
  readonly connectedAtMs: number;

  protocol: ProtocolVersion = 2;
  isAuthenticated: boolean;
  /** 0 … 15. */
  database = 0;
  name = '';
  libraryName = '';
  libraryVersion = '';
  /** READONLY was sent: reads are welcome on a follower. */
  isReadonly = false;
  /** CLIENT NO-EVICT and NO-TOUCH: remembered, for nothing is ever evicted here. */
  isNoEvict = false;
  isNoTouch = false;
  /** CLIENT REPLY: so many of the next commands are not answered; for ever when infinite. */
  silentReplies = 0;
  /**
   * Index of the entry with this client's last write that was answered; 0 when there is none. It may
   * be committed and not yet applied here.
   */
  lastWriteIndex = 0;
  /** Between MULTI and EXEC or DISCARD. */
  transaction: Transaction | undefined;
  readonly watched = new WatchedKeys();
  /** QUIT, or a broken protocol: no more commands, close when the replies are out. */
  isClosing = false;
  lastCommand = '';
  lastCommandAtMs: number;
  commandCount = 0;

  constructor(options: {
    readonly id: number;
    readonly address: string;
    readonly localAddress: string;
    readonly nowMs: number;
    readonly isAuthenticated: boolean;
  }) {
    this.id = options.id;
    this.address = options.address;
    this.localAddress = options.localAddress;
    this.connectedAtMs = options.nowMs;
    this.lastCommandAtMs = options.nowMs;
    this.isAuthenticated = options.isAuthenticated;
  }

  /** As the RESET command leaves it. */
  reset(isAuthenticated: boolean): void {
    this.protocol = 2;
    this.isAuthenticated = isAuthenticated;
    this.database = 0;
    this.name = '';
    this.isReadonly = false;
    this.isNoEvict = false;
    this.isNoTouch = false;
    this.silentReplies = 0;
    this.endTransaction();
  }

  /** Whatever became of it: what was watched for it is forgotten, too. */
  endTransaction(): void {
    this.transaction = undefined;
    this.watched.forget();
  }
}
