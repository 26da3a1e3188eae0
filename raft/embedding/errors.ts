// What a call of `Raft` is rejected with, by code.
//
//   code         did the command take effect?     what then
//   NOT_LEADER   certainly not, and never will    ask `leader`; try again soon when there is none
//   BUSY         certainly not, and never will    try again when earlier commands are answered
//   STOPPED      certainly not, and never will    ask another replica
//   UNCERTAIN    nobody can tell here             read, or make commands safe to repeat
//   MEMBERSHIP   certainly not, and never will    see `reason`
//
// `SetupError` is the operator's or the program's mistake at a start. What is wrong with files and
// disks is a `RaftError`.

import type { Member } from '../membership.js';
import type { MembershipRefusal, MembershipRefusalCode } from '../membership-changes.js';

export class NotLeaderError extends Error {
  readonly code = 'NOT_LEADER';
  /** Who leads, as far as this replica knows; undefined while nobody does or takes commands. */
  readonly leader: Member | undefined;

  constructor(leader: Member | undefined) {
    super(
      leader === undefined
        ? 'No leader takes commands at the moment'
        : `Replica ${leader.replicaId} at ${leader.host}:${leader.port} leads`,
    );
    this.name = 'NotLeaderError';
    this.leader = leader;
  }
}

export class UncertainError extends Error {
  readonly code = 'UNCERTAIN';

  constructor(options?: ErrorOptions) {
    super('It may or may not take effect: this replica lost sight of it', options);
    this.name = 'UncertainError';
  }
}

export class BusyError extends Error {
  readonly code = 'BUSY';

  constructor(pendingBytes: number) {
    super(`Cannot take the command: ${pendingBytes} bytes of commands are not answered yet`);
    this.name = 'BusyError';
  }
}

export class StoppedError extends Error {
  readonly code = 'STOPPED';

  /** `cause`: the fatal error, when that is why. */
  constructor(options?: ErrorOptions) {
    super('This replica is stopped', options);
    this.name = 'StoppedError';
  }
}

export class MembershipError extends Error {
  readonly code = 'MEMBERSHIP';
  readonly reason: MembershipRefusalCode;

  constructor({ code, text }: MembershipRefusal) {
    super(text);
    this.name = 'MembershipError';
    this.reason = code;
  }
}

export class SetupError extends Error {
  readonly code = 'SETUP';

  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'SetupError';
  }
}
