// Saving by hand, against snapshots that are taken when the test says so.

import assert from 'node:assert/strict';
import type { Snapshot, SnapshotStatus, SnapshotTaken } from '../../raft/index.js';
import { encodeReply, type Reply } from '../../resp/index.js';
import { snapshotLine } from '../../src/cli/snapshot.js';
import { findServerCommand } from '../../src/client/commands/index.js';
import { infoText } from '../../src/client/commands/info.js';
import type { Blocking, ServerContext } from '../../src/client/commands/table.js';
import type { Session } from '../../src/client/session.js';

const snapshot = {
  path: '/data/group-1/snapshots/snapshot-7',
  manifest: {
    index: 7,
    createdMs: 1_700_000_009_900,
    files: [{ byteLength: 40 }, { byteLength: 2 }],
  },
} as unknown as Snapshot;

class Snapshots {
  waiting: SnapshotTaken[] = [];
  held: unknown[] = [];
  /** Refuses the next one at once. */
  refusal: string | undefined;
  state: Partial<SnapshotStatus> = {};

  readonly context = {
    process: { startedAtMs: 1_600_000_000_000 },
    raft: () => ({ appliedIndex: 9 }),
    disk: { isLow: false, freeBytes: 5000 },
    snapshots: {
      status: () => ({ isTaking: this.waiting.length > 0, logBytes: 500, ...this.state }),
      take: (done: SnapshotTaken) => {
        if (this.refusal !== undefined) return done(new Error(this.refusal), undefined);
        this.waiting.push(done);
      },
      hold: (one: Snapshot, done: (error: Error | undefined) => void) => {
        this.held.push(one);
        done(undefined);
      },
    },
  } as unknown as ServerContext;

  finish(error?: string): void {
    const [...waiting] = this.waiting;
    this.waiting = [];
    for (const done of waiting) {
      if (error === undefined) done(undefined, snapshot);
      else done(new Error(error), undefined);
    }
  }

  run(line: string): string {
    const args = line.split(' ').map((word) => Buffer.from(word));
    return text(findServerCommand(args[0]!)!.run(this.context, noSession, args));
  }

  block(line: string): Blocking | Reply {
    const args = line.split(' ').map((word) => Buffer.from(word));
    return findServerCommand(args[0]!)!.block!(this.context, noSession, args);
  }

  blocking(line: string): Blocking {
    const outcome = this.block(line) as Blocking;
    assert.equal(outcome.isDone(), false);
    assert.equal(outcome.timeoutMs, 0);
    assert.equal(outcome.outlivesLeadership, true);
    return outcome;
  }
}

const noSession = {} as Session;

function text(reply: Reply): string {
  return encodeReply(reply, 2).toString();
}

describe('BGSAVE', () => {
  it('begins a snapshot, and only one', () => {
    const snapshots = new Snapshots();
    assert.equal(snapshots.run('BGSAVE'), '+Background saving started\r\n');
    assert.equal(snapshots.waiting.length, 1);
    for (const line of ['BGSAVE', 'BGSAVE SCHEDULE']) {
      assert.equal(snapshots.run(line), '-ERR Background save already in progress\r\n');
    }
    snapshots.finish();
    assert.equal(snapshots.run('bgsave schedule'), '+Background saving started\r\n');
  });

  it('has the errors of Redis, and tells why none can be taken', () => {
    const snapshots = new Snapshots();
    assert.equal(snapshots.run('BGSAVE foo'), '-ERR syntax error\r\n');
    assert.equal(snapshots.run('BGSAVE SCHEDULE 1'), '-ERR syntax error\r\n');
    snapshots.refusal = 'Cannot take a snapshot: this replica does not run';
    assert.equal(snapshots.run('BGSAVE'), `-ERR ${snapshots.refusal}\r\n`);
  });
});

describe('SAVE', () => {
  it('answers when the snapshot is durable', () => {
    const snapshots = new Snapshots();
    const blocking = snapshots.blocking('SAVE');
    snapshots.finish();
    assert.equal(blocking.isDone(), true);
    assert.equal(text(blocking.reply()), '+OK\r\n');
  });

  it('tells of a failure, at once or later', () => {
    const snapshots = new Snapshots();
    const blocking = snapshots.blocking('SAVE');
    const again = snapshots.block('SAVE') as Reply;
    assert.equal(text(again), '-ERR Background save already in progress\r\n');
    snapshots.finish('Cannot save a snapshot: ENOSPC');
    assert.equal(text(blocking.reply()), '-ERR Cannot save a snapshot: ENOSPC\r\n');
    snapshots.refusal = 'no';
    assert.equal(text(snapshots.block('SAVE') as Reply), '-ERR no\r\n');
  });
});

describe('LASTSAVE and INFO persistence', () => {
  it('tell of the start before the first snapshot, as Redis does', () => {
    const snapshots = new Snapshots();
    assert.equal(snapshots.run('LASTSAVE'), ':1600000000\r\n');
    const info = infoText(snapshots.context, ['persistence']);
    assert.match(info, /^rdb_last_save_time:1600000000\r$/m);
    assert.match(info, /^rdb_changes_since_last_save:9\r$/m);
    assert.match(info, /^rdb_bgsave_in_progress:0\r$/m);
    assert.match(info, /^rdb_last_bgsave_status:ok\r$/m);
    assert.match(info, /^rdb_last_bgsave_time_sec:-1\r$/m);
    assert.match(info, /^rdb_current_bgsave_time_sec:-1\r$/m);
  });

  it('tell of the newest one, of one that is being taken, and of a failure', () => {
    const snapshots = new Snapshots();
    snapshots.state = {
      newest: snapshot,
      isTaking: true,
      takingMs: 2900,
      lastMs: 1100,
      lastError: 'ENOSPC',
    };
    assert.equal(snapshots.run('LASTSAVE'), ':1700000009\r\n');
    const info = infoText(snapshots.context, ['persistence']);
    assert.match(info, /^rdb_changes_since_last_save:2\r$/m);
    assert.match(info, /^rdb_bgsave_in_progress:1\r$/m);
    assert.match(info, /^rdb_last_bgsave_status:err\r$/m);
    assert.match(info, /^rdb_last_bgsave_time_sec:1\r$/m);
    assert.match(info, /^rdb_current_bgsave_time_sec:2\r$/m);
  });
});

describe('HOLT SNAPSHOT', () => {
  it('answers which snapshot was taken', () => {
    const snapshots = new Snapshots();
    const blocking = snapshots.blocking('HOLT SNAPSHOT');
    snapshots.finish();
    assert.equal(blocking.isDone(), true);
    const fields = text(blocking.reply())
      .split('\r\n')
      .filter((line) => !/^[*$]/.test(line));
    assert.deepEqual(fields, ['index', ':7', 'bytes', ':42', 'directory', snapshot.path, '']);
    assert.deepEqual(snapshots.held, []);
  });

  it('holds it when told to', () => {
    const snapshots = new Snapshots();
    const blocking = snapshots.blocking('HOLT SNAPSHOT hold');
    snapshots.finish();
    assert.equal(blocking.isDone(), true);
    assert.deepEqual(snapshots.held, [snapshot]);
  });

  it('takes another one after one that is under way', () => {
    const snapshots = new Snapshots();
    snapshots.run('BGSAVE');
    const blocking = snapshots.blocking('HOLT SNAPSHOT');
    snapshots.finish('the first one fails');
    assert.equal(blocking.isDone(), false);
    snapshots.finish();
    assert.equal(blocking.isDone(), true);
  });

  it('tells of failures and of words that mean nothing', () => {
    const snapshots = new Snapshots();
    const blocking = snapshots.blocking('HOLT SNAPSHOT HOLD');
    snapshots.finish('ENOSPC');
    assert.equal(text(blocking.reply()), '-ERR ENOSPC\r\n');
    assert.deepEqual(snapshots.held, []);
    for (const line of ['HOLT SNAPSHOT foo', 'HOLT SNAPSHOT HOLD 1']) {
      assert.equal(text(snapshots.block(line) as Reply), '-ERR syntax error\r\n');
    }
    assert.match(
      text(snapshots.block('HOLT nosuch') as Reply),
      /^-ERR unknown subcommand 'nosuch'/,
    );
    snapshots.refusal = 'no';
    assert.equal(text(snapshots.block('HOLT SNAPSHOT') as Reply), '-ERR no\r\n');
  });

  it('is a line on the command line', () => {
    const reply = ['index', 7, 'bytes', 42, 'directory', '/d'];
    assert.equal(snapshotLine(reply, false), 'snapshot of index 7, 42 bytes: /d');
    assert.equal(snapshotLine(reply, true), 'snapshot of index 7, 42 bytes, held: /d');
  });
});
