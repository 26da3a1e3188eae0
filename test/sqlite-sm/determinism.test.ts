// The same entries give the same state, however a replica came to apply them.

import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import BetterSqlite3 from 'better-sqlite3';
import {
  databaseCount,
  expireDueCommand,
  type MachineEntry,
  type SqliteStateMachine,
  slotCount,
} from '../../sqlite-sm/index.js';
import { writeMarker } from '../../sqlite-sm/marker.js';
import {
  bootId,
  copyAsAfterKill,
  encodeBatch,
  makeDirectory,
  openMachine,
  realFiles,
  removeDirectories,
  SeededRandom,
} from './machine-fixture.js';
import { randomCommand } from './random-commands.js';

/** Due now and then while an entry's stamps go on. */
const times = { seconds: ['100', '200', '300'], milliseconds: ['1', '50', '100000'] };

function makeEntries(seed: number, count: number): MachineEntry[] {
  const random = new SeededRandom(seed);
  let stamp = 1_700_000_000_000;
  let term = 1;
  return Array.from({ length: count }, (_, i) => {
    // Steps long enough that expiries of hundreds of seconds come due along the way.
    stamp += random.pick([0, 0, 1, 50, 40_000]);
    if (random.below(30) === 0) term++;
    const isNoop = random.below(20) === 0;
    const batches = Array.from({ length: 1 + random.below(5) }, () =>
      encodeBatch(
        [random.below(8) === 0 ? [expireDueCommand.name] : randomCommand(random, times)],
        {
          db: random.below(3),
        },
      ),
    );
    return {
      index: i + 1,
      term,
      stamp,
      kind: isNoop ? 'noop' : 'command',
      payload: isNoop ? Buffer.alloc(0) : Buffer.concat(batches),
    };
  });
}

function applyAll(machine: SqliteStateMachine, entries: readonly MachineEntry[]): void {
  for (const entry of entries) machine.apply(entry);
}

/** Counters in memory against counting. */
function assertCounters(machine: SqliteStateMachine, directory: string): void {
  machine.flush();
  const file = new BetterSqlite3(`${copyAsAfterKill(directory)}/live.db`);
  const flushed = file
    .prepare<[number], number>('SELECT space FROM databases WHERE db = ?')
    .pluck();
  const count = file
    .prepare<[number], [number, number]>(
      'SELECT count(*), count(expires_ms) FROM keys WHERE space = ?',
    )
    .raw();
  const bySlot = file
    .prepare<[number], [number, number]>(
      'SELECT slot, count(*) FROM keys WHERE space = ? GROUP BY slot',
    )
    .raw();
  for (let db = 0; db < databaseCount; db++) {
    const space = flushed.get(db) ?? db;
    assert.deepEqual([machine.keyCount(db), machine.expiresCount(db)], count.get(space));
    const slots = new Map(bySlot.all(space));
    for (let slot = 0; slot < slotCount; slot++) {
      assert.equal(machine.keysInSlot(db, slot), slots.get(slot) ?? 0);
    }
  }
  file.close();
}

describe('Two replicas that apply the same entries', () => {
  afterEach(removeDirectories);

  for (const seed of [11, 12, 13]) {
    it(`end in the same state, with and without a sink (seed ${seed})`, () => {
      const entries = makeEntries(seed, 400);
      const silent = openMachine(makeDirectory());
      const answering = openMachine(makeDirectory());
      for (const entry of entries) {
        silent.apply(entry);
        answering.apply(entry, { reply: () => {} });
        if (entry.index % 50 === 0) assert.equal(silent.digest(), answering.digest());
      }
      assert.equal(silent.digest(), answering.digest());
      silent.close();
      answering.close();
    });

    it(`end in the same state wherever their commits fall (seed ${seed})`, () => {
      const entries = makeEntries(seed, 400);
      const random = new SeededRandom(seed + 100);
      const directory = makeDirectory();
      const lazy = openMachine(makeDirectory());
      const eager = openMachine(directory, { cacheBytes: 16 * 1024 * 1024 });
      applyAll(lazy, entries);
      for (const entry of entries) {
        eager.apply(entry);
        if (random.below(3) === 0) eager.flush();
        if (random.below(5) === 0) eager.reclaim(1 + random.below(5));
      }
      assert.equal(lazy.digest(), eager.digest());
      assertCounters(eager, directory);
      lazy.close();
      eager.close();
    });

    it(`end in the same state through restarts and kills (seed ${seed})`, () => {
      const entries = makeEntries(seed, 400);
      const random = new SeededRandom(seed + 200);
      const steady = openMachine(makeDirectory());
      applyAll(steady, entries);

      let directory = makeDirectory();
      let machine = openMachine(directory);
      let kills = 0;
      while (machine.appliedIndex < entries.length) {
        machine.apply(entries[machine.appliedIndex] as MachineEntry);
        if (random.below(6) === 0) machine.flush();
        const fate = random.below(25);
        if (fate === 0) {
          machine.close();
          machine = openMachine(directory);
          assert.equal(machine.startedFrom, 'live');
        } else if (fate === 1) {
          const { flushedIndex } = machine;
          const copy = copyAsAfterKill(directory);
          machine.close();
          writeMarker(realFiles, `${copy}/live.db`, bootId);
          directory = copy;
          machine = openMachine(directory);
          assert.equal(machine.startedFrom, 'live');
          assert.equal(machine.appliedIndex, flushedIndex);
          kills++;
        }
      }
      assert(kills > 3);
      assert.equal(machine.digest(), steady.digest());
      assertCounters(machine, directory);
      machine.close();
      steady.close();
    });
  }
});

describe('The digest', () => {
  afterEach(removeDirectories);

  it('differs when anything does', () => {
    const base = [
      ['SET', 'a', '1'],
      ['SET', 'b', '2', 'PXAT', '9223372036854775806'],
    ];
    const variants: { db?: number; stamp?: number; commands: string[][] }[] = [
      { commands: base },
      { commands: base, db: 1 },
      { commands: base, stamp: 2 },
      { commands: [['SET', 'a', '2'], base[1] as string[]] },
      { commands: [['SET', 'c', '1'], base[1] as string[]] },
      { commands: [...base, ['SET', 'a', '1']] },
      { commands: [...base, ['PERSIST', 'b']] },
      { commands: [base[0] as string[], ['SET', 'b', '2', 'PXAT', '9223372036854775807']] },
      { commands: [['SET', 'a1', ''], base[1] as string[]] },
      { commands: [base[1] as string[], base[0] as string[]] },
    ];
    const digests = variants.map(({ commands, db = 0, stamp = 1 }) => {
      const machine = openMachine(makeDirectory());
      const payload = encodeBatch(commands, { db });
      machine.apply({ index: 1, term: 1, stamp, kind: 'command', payload });
      const digest = machine.digest();
      machine.close();
      return digest;
    });
    assert.equal(new Set(digests).size, variants.length);
  });
});
