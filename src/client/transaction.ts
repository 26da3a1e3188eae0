// What a client has queued since MULTI.
//
// Data commands are kept as the records that EXEC puts into the entry, back to back: so they are
// copied twice, but a short command keeps no large piece of the client's input alive.
//
//   items     [ record at 0 ][ PING ][ record at 40 ][ SELECT 3 ][ record at 71 ]
//   records   [ SET a 1 ·············│ GET a ·······│ INCR b ······│   free ]
//
// Server commands stay here. They run when the answers of the data commands are there, in their
// place among them, on the replica that answers. One of them may change what commands behind EXEC
// mean (SELECT, HELLO), so these wait for it; see `Connection.hasOpenTransaction`.

import type { Reply } from '../../resp/index.js';
import {
  type Command,
  commandByteLength,
  encodeCommand,
  readKind,
  setCommandDatabase,
  writeKind,
} from '../../sqlite-sm/index.js';

/** Commands that run inside MULTI instead of being queued. */
const immediate: ReadonlySet<string> = new Set([
  'discard',
  'exec',
  'multi',
  'quit',
  'reset',
  'watch',
]);

/** Of a server command, its name in lower case; data commands are all queued. */
export function isQueuedInMulti(name: string): boolean {
  return !immediate.has(name);
}

/** A server command, name first. */
type ServerCall = readonly Buffer[];

/** Memory of a queued command besides its bytes, about. */
const itemBytes = 64;
const recordsBytesMin = 512;

export class Transaction {
  /** A command was refused while queueing: EXEC will refuse all. */
  isFlawed = false;
  /** Its keys are of several slots: EXEC will refuse all. */
  isCrossSlot = false;
  /** It has a command that needs room on the disk. */
  isGrowing = false;
  /** Data commands that only read: their answers may be large. */
  readCount = 0;
  /** Of the data commands, in lower case, in their order. */
  readonly names: string[] = [];
  #slot: number | undefined;
  /** In the order they came; a number is the offset of a record. */
  readonly #items: (number | ServerCall)[] = [];
  #records: Buffer = Buffer.alloc(0);
  #recordsEnd = 0;
  #serverCallBytes = 0;
  #serverCallCount = 0;

  get count(): number {
    return this.#items.length;
  }

  get dataCommandCount(): number {
    return this.#items.length - this.#serverCallCount;
  }

  get hasWrites(): boolean {
    return this.dataCommandCount > this.readCount;
  }

  get hasServerCommands(): boolean {
    return this.#serverCallCount > 0;
  }

  /** Memory it takes, about; never less than `records`. */
  get byteLength(): number {
    return this.#recordsEnd + this.#serverCallBytes + this.#items.length * itemBytes;
  }

  /** The data commands as `encodeTransaction` wants them. */
  get records(): Buffer {
    return this.#records.subarray(0, this.#recordsEnd);
  }

  /** Of its keys; undefined when there are none. */
  get slot(): number | undefined {
    return this.#slot;
  }

  /** `slot` is undefined for a command without keys. */
  queueData(command: Command, slot: number | undefined, args: readonly Buffer[]): void {
    if (slot !== undefined) {
      this.#slot ??= slot;
      if (slot !== this.#slot) this.isCrossSlot = true;
    }
    if (!command.isWrite) this.readCount += 1;
    if (command.flags.includes('denyoom')) this.isGrowing = true;
    const start = this.#recordsEnd;
    this.#grow(commandByteLength(args));
    const kind = command.isWrite ? writeKind : readKind;
    this.#recordsEnd = encodeCommand(this.#records, start, kind, 0, args);
    this.#items.push(start);
    this.names.push(command.name);
  }

  queueServer(args: readonly Buffer[]): void {
    const copies = args.map((arg) => Buffer.from(arg));
    this.#serverCallBytes += commandByteLength(args);
    this.#serverCallCount += 1;
    this.#items.push(copies);
  }

  /**
   * Each data command runs in the database that the SELECTs before it choose; `databaseAfter` tells
   * which one a server command leaves selected.
   */
  assignDatabases(
    selected: number,
    databaseAfter: (args: readonly Buffer[], selected: number) => number,
  ): void {
    let database = selected;
    for (const item of this.#items) {
      if (typeof item === 'number') setCommandDatabase(this.#records, item, database);
      else database = databaseAfter(item, database);
    }
  }

  /** All replies in order; runs each server command when its turn has come. */
  *replies(
    dataReplies: readonly Reply[],
    run: (args: readonly Buffer[]) => Reply,
  ): Generator<Reply, void> {
    let at = 0;
    for (const item of this.#items) {
      if (typeof item === 'number') {
        yield dataReplies[at]!;
        at += 1;
      } else yield run(item);
    }
  }

  #grow(byteLength: number): void {
    const needed = this.#recordsEnd + byteLength;
    if (needed <= this.#records.length) return;
    const larger = Buffer.allocUnsafeSlow(
      Math.max(needed, this.#records.length * 2, recordsBytesMin),
    );
    this.#records.copy(larger, 0, 0, this.#recordsEnd);
    this.#records = larger;
  }
}
