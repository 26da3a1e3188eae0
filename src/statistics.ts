// What INFO counts, since the server started or CONFIG RESETSTAT.

export class Statistics {
  connectionsReceived = 0;
  connectionsRejected = 0;
  commandsProcessed = 0;
  errorReplies = 0;
  protocolErrors = 0;
  netInputBytes = 0;
  netOutputBytes = 0;
  keyspaceReads = 0;
  uncertainReplies = 0;
  #opsPerSecond = 0;
  #sampledCommands = 0;
  #sampledAtMs: number;

  constructor(nowMs: number) {
    this.#sampledAtMs = nowMs;
  }

  /** Commands a second over the last sample period. */
  get opsPerSecond(): number {
    return this.#opsPerSecond;
  }

  /** Called about once a second. */
  sample(nowMs: number): void {
    const elapsedMs = nowMs - this.#sampledAtMs;
    if (elapsedMs <= 0) return;
    const commands = this.commandsProcessed - this.#sampledCommands;
    this.#opsPerSecond = Math.round((commands * 1000) / elapsedMs);
    this.#sampledCommands = this.commandsProcessed;
    this.#sampledAtMs = nowMs;
  }
}
