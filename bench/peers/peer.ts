// What the benchmark knows of a contestant.

export interface Peer {
  /** In the table. */
  readonly title: string;
  /** What its acknowledgement of a write means, for whoever compares. */
  readonly note: string;
  /**
   * Starts its servers on `directory`, which is empty and its own. Resolves when they take writes.
   * Throws when one of them does not start.
   */
  start(directory: string, basePort: number): Promise<RunningPeer>;
}

export interface RunningPeer {
  /** Where the load goes to, on loopback. */
  readonly port: number;
  /** Of all its servers; the one that the load goes to first. */
  readonly pids: readonly number[];
  readonly version: string;
  /** Of all its servers, for whoever looks for the reason of a failure. */
  lastLogLines(): string;
  /** Kills the servers and removes the directory. */
  dispose(): Promise<void>;
}
