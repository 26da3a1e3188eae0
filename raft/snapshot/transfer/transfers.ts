// The transfers of one replica: as leader to any number of followers, each on a connection of its own;
// as follower from the leader, one at a time.
//
// What fails is tried again, ever less often: the core is told only after the pause that the transfer
// has ended, and then finds out whether the follower still needs one. Sending holds the snapshot, not
// the taking of the next one: the next transfer sends whatever is the newest then. One that has rotted
// is not offered twice; the state is whole, and another one is taken of it.

import type { BufferPool } from '../../buffer-pool.js';
import type { LogIndex, ReplicaId, Term } from '../../core/index.js';
import type { Clock, Connection, Files, Timers } from '../../effects.js';
import type { ReplicaIdentity } from '../../identity.js';
import type { Transport } from '../../transport.js';
import type { Snapshot, SnapshotManifest, SnapshotStore } from '../store.js';
import { CatchUps } from './catch-ups.js';
import { SnapshotReceiver } from './receiver.js';
import { SnapshotSender } from './sender.js';

/** What `status` tells. */
export interface SnapshotTransfer {
  readonly direction: 'sending' | 'receiving';
  readonly peer: ReplicaId;
  /** Bytes that the receiver has. */
  readonly doneBytes: number;
  readonly totalBytes: number;
}

export interface SnapshotTransfersOptions {
  readonly identity: ReplicaIdentity;
  readonly transport: Pick<Transport, 'connectForSnapshot'>;
  readonly store: Pick<SnapshotStore, 'newest' | 'acquire' | 'receivingDirectory' | 'adopt'>;
  readonly files: Files;
  readonly pool: BufferPool;
  readonly timers: Timers;
  readonly clock: Clock;
  /** Why a snapshot that `from` offers is not wanted now, as a sentence's end; undefined: it is. */
  readonly refusal: (from: ReplicaId, manifest: SnapshotManifest, term: Term) => string | undefined;
  /** Switches to a snapshot that is durable here, and calls back with why that is not to be. */
  readonly install: (snapshot: Snapshot, done: (refusal: string | undefined) => void) => void;
  /** As leader: up to where `to` has the log; undefined when that is not known. */
  readonly matchOf: (to: ReplicaId) => LogIndex | undefined;
  /**
   * Another snapshot is needed: the newest was found not to be what it was, or to be unreadable; or,
   * without an argument, there is none.
   */
  readonly onUnfit: (rotted: Snapshot | undefined) => void;
  /** A transfer to `to` has ended. */
  readonly onSent: (to: ReplicaId, isInstalled: boolean) => void;
  /** Bytes of a snapshot came from `from`. */
  readonly onHeard: (from: ReplicaId) => void;
  readonly onEvent: (level: 'info' | 'warn', text: string) => void;
}

/** As leader, for one follower. */
interface Sending {
  readonly to: ReplicaId;
  /** Undefined while it is connected to, or waits to be tried again. */
  sender: SnapshotSender | undefined;
  /** Lets go of the snapshot. */
  release: () => void;
  cancelRetry: (() => void) | undefined;
}

interface Receiving {
  readonly from: ReplicaId;
  readonly receiver: SnapshotReceiver;
}

const retryMsMin = 1_000;
const retryMsMax = 10_000;
const progressLineMs = 5_000;

export class SnapshotTransfers {
  readonly #options: SnapshotTransfersOptions;
  readonly #sending = new Map<ReplicaId, Sending>();
  /** Failures in a row, by follower. */
  readonly #failures = new Map<ReplicaId, number>();
  readonly #catchUps: CatchUps;
  /** Connections on which nothing was offered yet, and the one that is being received. */
  readonly #receiving = new Set<Receiving>();
  #toldAtMs = 0;
  #isStopped = false;

  constructor(options: SnapshotTransfersOptions) {
    this.#options = options;
    this.#catchUps = new CatchUps(options.timers, options.store, options.matchOf);
  }

  get all(): readonly SnapshotTransfer[] {
    const sending = [...this.#sending.values()].flatMap(({ to, sender }) =>
      sender === undefined ? [] : [view('sending', to, sender)],
    );
    const receiving = [...this.#receiving]
      .filter(({ receiver }) => receiver.manifest !== undefined)
      .map(({ from, receiver }) => view('receiving', from, receiver));
    return [...sending, ...receiving];
  }

  get isReceiving(): boolean {
    return [...this.#receiving].some(({ receiver }) => receiver.manifest !== undefined);
  }

  stop(): void {
    this.#isStopped = true;
    this.stopSending();
    for (const { receiver } of this.#receiving) receiver.stop('this replica stops');
  }

  // ---------------------------------------------------------------------------- sending

  /** As leader in `term`: sends the newest snapshot, unless one is being sent there. */
  send(to: ReplicaId, term: Term): void {
    if (this.#isStopped || this.#sending.has(to)) return;
    const sending: Sending = { to, sender: undefined, release: () => {}, cancelRetry: undefined };
    this.#sending.set(to, sending);
    const { transport } = this.#options;
    transport.connectForSnapshot(to, (error, connection) => {
      // The leadership ended meanwhile.
      if (this.#sending.get(to) !== sending) return connection?.destroy();
      if (error !== undefined) return this.#onFailed(sending, error.message);
      this.#begin(sending, term, connection!);
    });
  }

  /** The leadership is over: who needs a snapshot now is another one's concern. */
  stopSending(): void {
    const all = [...this.#sending.values()];
    this.#sending.clear();
    this.#failures.clear();
    this.#catchUps.stop();
    for (const sending of all) {
      sending.cancelRetry?.();
      sending.sender?.stop('this replica leads no more');
      sending.release();
    }
  }

  #begin(sending: Sending, term: Term, connection: Connection): void {
    const { store, files, pool, timers, clock, onUnfit, onEvent } = this.#options;
    const snapshot = store.newest;
    if (snapshot === undefined) {
      connection.destroy();
      onUnfit(undefined);
      return this.#onFailed(sending, 'there is none');
    }
    sending.release = store.acquire(snapshot);
    const { index } = snapshot.manifest;
    sending.sender = new SnapshotSender({
      snapshot,
      term,
      connection,
      files,
      pool,
      timers,
      clock,
      onProgress: () => this.#tellProgress(),
      onRotted: () => onUnfit(snapshot),
      onEnded: (trouble) => {
        if (this.#sending.get(sending.to) !== sending) return;
        if (trouble === undefined) this.#onInstalled(sending, index);
        else this.#onFailed(sending, trouble);
      },
    });
    this.#toldAtMs = clock.monotonicMs();
    const size = describeBytes(sending.sender.totalBytes);
    onEvent('info', `sending the snapshot of index ${index} (${size}) to replica ${sending.to}`);
    sending.sender.start();
  }

  #onInstalled(sending: Sending, index: LogIndex): void {
    this.#catchUps.begin(sending.to, sending.release);
    this.#sending.delete(sending.to);
    this.#failures.delete(sending.to);
    const { onEvent, onSent } = this.#options;
    onEvent('info', `replica ${sending.to} has installed the snapshot of index ${index}`);
    onSent(sending.to, true);
  }

  #onFailed(sending: Sending, trouble: string): void {
    sending.release();
    sending.sender = undefined;
    const { timers, onEvent, onSent } = this.#options;
    const failures = this.#failures.get(sending.to) ?? 0;
    this.#failures.set(sending.to, failures + 1);
    const ms = Math.min(retryMsMin * 2 ** failures, retryMsMax);
    onEvent(
      'warn',
      `sending a snapshot to replica ${sending.to} failed: ${trouble}; again in ${ms / 1000} s`,
    );
    sending.cancelRetry = timers.after(ms, () => {
      this.#sending.delete(sending.to);
      onSent(sending.to, false);
    });
  }

  // ---------------------------------------------------------------------------- receiving

  /** `from` has opened the connection to send a snapshot on. */
  receive(from: ReplicaId, connection: Connection): void {
    if (this.#isStopped) return connection.destroy();
    const { identity, store, files, pool, timers, clock, install, onHeard } = this.#options;
    const receiver = new SnapshotReceiver({
      identity,
      connection,
      store,
      files,
      pool,
      timers,
      clock,
      install,
      refusal: (manifest, term) => this.#refusal(receiving, manifest, term),
      onHeard: () => onHeard(from),
      onProgress: () => this.#tellProgress(),
      onEnded: (trouble) => this.#onReceiverEnded(receiving, trouble),
    });
    const receiving = { from, receiver };
    this.#receiving.add(receiving);
    receiver.start();
  }

  #refusal(receiving: Receiving, manifest: SnapshotManifest, term: Term): string | undefined {
    const { refusal, clock, onEvent } = this.#options;
    const { from } = receiving;
    const others = [...this.#receiving].filter(
      (other) => other !== receiving && other.receiver.manifest !== undefined,
    );
    if (others.some(({ receiver }) => receiver.isComplete)) {
      return 'it is about to install another snapshot';
    }
    const reason = refusal(from, manifest, term);
    if (reason !== undefined) return reason;
    // The leader begins again, or another one leads: the older connection is of no more use.
    for (const { receiver } of others) receiver.stop('the leader began another transfer');
    this.#toldAtMs = clock.monotonicMs();
    onEvent('info', `receiving the snapshot of index ${manifest.index} from replica ${from}`);
    return undefined;
  }

  #onReceiverEnded(receiving: Receiving, trouble: string | undefined): void {
    this.#receiving.delete(receiving);
    const { from, receiver } = receiving;
    // What was never wanted is told to its sender, and no event here.
    if (receiver.manifest === undefined || this.#isStopped) return;
    const { index } = receiver.manifest;
    const what = `the snapshot of index ${index} from replica ${from}`;
    if (trouble === undefined) this.#options.onEvent('info', `installed ${what}`);
    else this.#options.onEvent('warn', `receiving ${what} failed: ${trouble}`);
  }

  // ---------------------------------------------------------------------------- lines

  #tellProgress(): void {
    const { clock, onEvent } = this.#options;
    const nowMs = clock.monotonicMs();
    if (nowMs - this.#toldAtMs < progressLineMs) return;
    this.#toldAtMs = nowMs;
    for (const { direction, peer, doneBytes, totalBytes } of this.all) {
      const percent = totalBytes === 0 ? 100 : Math.floor((doneBytes / totalBytes) * 100);
      const way = direction === 'sending' ? 'to' : 'from';
      onEvent(
        'info',
        `${direction} a snapshot ${way} replica ${peer}: ${percent} % of ${describeBytes(totalBytes)}`,
      );
    }
  }
}

function view(
  direction: SnapshotTransfer['direction'],
  peer: ReplicaId,
  { doneBytes, totalBytes }: { readonly doneBytes: number; readonly totalBytes: number },
): SnapshotTransfer {
  return { direction, peer, doneBytes, totalBytes };
}

function describeBytes(bytes: number): string {
  return `${Math.ceil(bytes / (1024 * 1024))} MiB`;
}
