// Snapshots of real servers: the disk stays bounded while the same keys are written over and over, and
// what was acknowledged is there after kill -9, after a lost database, and from a damaged snapshot's
// elder. One server: nobody else has what it loses.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import { join } from 'node:path';
import BetterSqlite3 from 'better-sqlite3';
import { ClusterUnderTest, runHolt, type ServerUnderTest } from './cluster-under-test.js';
import { eventually } from './eventually.js';

const MiB = 1024 * 1024;
const keyCount = 200;
const valueBytes = 10_000;

/** What is in the files of a directory. Bytes. Some may go while they are counted. */
function diskBytes(directory: string): number {
  let bytes = 0;
  for (const entry of unlessGone(() => fs.readdirSync(directory, { withFileTypes: true })) ?? []) {
    const path = join(directory, entry.name);
    if (entry.isDirectory()) bytes += diskBytes(path);
    else bytes += fs.statSync(path, { throwIfNoEntry: false })?.size ?? 0;
  }
  return bytes;
}

function unlessGone<Result>(look: () => Result): Result | undefined {
  try {
    return look();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    return undefined;
  }
}

describe('Snapshots', () => {
  let cluster: ClusterUnderTest;
  let server: ServerUnderTest;
  let snapshotsPath: string;
  /** By key: what was acknowledged last. */
  const acknowledged = new Map<string, string>();
  let written = 0;

  before(async () => {
    cluster = await ClusterUnderTest.start({
      serverCount: 1,
      serverArguments: [
        ...['--snapshot-min-log-size', '8mb', '--max-segment-file-size', '2mb'],
        ...['--snapshots-kept', '2'],
      ],
    });
    server = cluster.server(1);
    snapshotsPath = join(server.groupDirectory, 'snapshots');
  });
  after(() => cluster.dispose());

  /** Overwrites all keys, as many times. */
  async function write(rounds: number): Promise<void> {
    await cluster.leader();
    const connection = await server.connect();
    for (let round = 0; round < rounds; round += 1) {
      const commands = Array.from({ length: keyCount }, (_, at) => {
        written += 1;
        return ['SET', `key:${at}`, `${written};`.padEnd(valueBytes, '.')] as const;
      });
      const answers = await connection.pipeline(commands);
      for (const [at, answer] of answers.entries()) {
        assert.equal(answer, 'OK');
        acknowledged.set(commands[at]![1], commands[at]![2]);
      }
    }
    connection.close();
  }

  async function assertAllThere(): Promise<void> {
    await cluster.leader();
    const connection = await server.connect();
    const keys = [...acknowledged.keys()];
    const values = await connection.pipeline(keys.map((key) => ['GET', key]));
    for (const [at, key] of keys.entries()) assert.equal(values[at], acknowledged.get(key), key);
    assert.equal(await connection.call('DBSIZE'), keys.length);
    connection.close();
  }

  /** As after a power loss: nothing says that the database can be trusted. */
  function distrustDatabase(): void {
    fs.rmSync(join(server.groupDirectory, 'live.db.marker'));
  }

  /** Not while one is taken that was due. */
  async function save(): Promise<void> {
    await eventually('a snapshot is saved', 10_000, async () => {
      return (await server.call('SAVE')) === 'OK';
    });
  }

  function snapshotNames(): string[] {
    return fs.readdirSync(snapshotsPath).filter((name) => name.startsWith('snapshot-'));
  }

  it('keep the disk bounded, however often the same keys are written', async () => {
    const dataBytes = keyCount * valueBytes;
    let most = 0;
    for (let part = 0; part < 20; part += 1) {
      await write(2);
      most = Math.max(most, diskBytes(server.groupDirectory));
    }
    // 80 MB were written. Log of twice the least size, 8 MiB, with its last segment and eight spares;
    // two snapshots and one in the making; the database with its WAL.
    assert(most < 32 * MiB + 8 * dataBytes, `${most} bytes`);
    const info = await server.info();
    assert(Number(info.get('raft_base_index')) > 0);
    assert(Number(info.get('raft_snapshot_index')) > 0);
    assert.equal(info.get('rdb_last_bgsave_status'), 'ok');
    assert.equal(snapshotNames().length, 2);
    const lines = server.log.split('\n').filter((line) => line.includes('"snapshot taken"'));
    const { index, bytes, milliseconds } = JSON.parse(lines.at(-1)!);
    assert(index > 0 && bytes > dataBytes && milliseconds >= 0, lines.at(-1));
    await assertAllThere();
  });

  it('and the log behind them have everything after kill -9 and after a lost database', async () => {
    for (const isDatabaseLost of [false, true, true]) {
      await write(3);
      await server.kill9();
      if (isDatabaseLost) distrustDatabase();
      await server.start();
      await assertAllThere();
      const opened = server.log.split('\n').filter((line) => line.includes('"state opened"'));
      const { startedFrom } = JSON.parse(opened.at(-1)!);
      assert.equal(startedFrom, isDatabaseLost ? 'snapshot' : 'live');
    }
  });

  it('that are damaged are passed over, with a line in the log', async () => {
    // Two snapshots, and a log that reaches back to the older one.
    for (let count = 0; count < 2; count += 1) {
      await write(1);
      await save();
    }
    await write(1);
    await server.kill9();
    const newest = join(snapshotsPath, snapshotNames().sort().at(-1)!);
    const path = join(newest, 'data.db');
    const bytes = fs.readFileSync(path);
    bytes[bytes.length - 100]! ^= 1;
    fs.writeFileSync(path, bytes);
    distrustDatabase();
    const logLength = server.log.length;
    await server.start();
    await assertAllThere();
    assert.match(server.log.slice(logLength), /its file \\"data\.db\\" has changed on the disk/);
  });

  it('are the reason to refuse when the log needs one and there is none', async () => {
    await server.stop();
    const aside = `${snapshotsPath}.aside`;
    fs.renameSync(snapshotsPath, aside);
    distrustDatabase();
    const sentence = await server.refusal();
    assert.match(sentence, /no whole snapshot joins the two.*replace the replica/);
    fs.rmSync(snapshotsPath, { recursive: true });
    fs.renameSync(aside, snapshotsPath);
    // What was made from nothing, before it was clear that it is of no use.
    for (const name of fs.readdirSync(server.groupDirectory)) {
      if (name.startsWith('live.db')) fs.rmSync(join(server.groupDirectory, name));
    }
    await server.start();
    await assertAllThere();
  });

  it('open in SQLite, and have what was acknowledged before them', async () => {
    await write(1);
    const result = await runHolt(['snapshot', '--connect', server.address]);
    assert.equal(result.code, 0, result.stderr);
    const match = /^snapshot of index (\d+), (\d+) bytes: (.*)\n$/.exec(result.stdout);
    assert(match, result.stdout);
    const file = new BetterSqlite3(join(match[3]!, 'data.db'), { readonly: true });
    const rows = file.prepare('SELECT name, value FROM keys').all() as {
      name: Buffer;
      value: Buffer;
    }[];
    file.close();
    assert.equal(rows.length, acknowledged.size);
    for (const { name, value } of rows) {
      assert.equal(value.toString(), acknowledged.get(name.toString()));
    }
  });

  it('that are held stay when others are taken', async () => {
    const held = await runHolt(['snapshot', '--connect', server.address, '--hold']);
    assert.match(held.stdout, / bytes, held: /);
    const path = held.stdout.trim().split(': ')[1]!;
    for (let count = 0; count < 4; count += 1) {
      await write(1);
      await save();
    }
    assert(fs.existsSync(path));
    assert.equal(snapshotNames().length, 3);
    fs.rmSync(join(path, 'held'));
    await save();
    await eventually(
      'it is gone',
      5_000,
      () => !fs.existsSync(path) && snapshotNames().length === 2,
    );
  });

  it('are asked for as in Redis', async () => {
    const connection = await server.connect();
    const before = (await connection.call('LASTSAVE')) as number;
    const info = await server.info('persistence');
    assert.equal(Number(info.get('rdb_last_save_time')), before);
    assert.equal(await connection.call('SET', 'more', '1'), 'OK');
    acknowledged.set('more', '1');
    // What a tool does: BGSAVE, and then it waits for LASTSAVE to rise.
    await eventually('a second later', 5_000, () => Date.now() / 1000 >= before + 1);
    assert.equal(await connection.call('BGSAVE'), 'Background saving started');
    await eventually('LASTSAVE rises', 10_000, async () => {
      return ((await connection.call('LASTSAVE')) as number) > before;
    });
    const [saving, again] = await connection.pipeline([['BGSAVE'], ['BGSAVE']]);
    assert.equal(saving, 'Background saving started');
    assert.equal(again, '-ERR Background save already in progress');
    assert.equal(await connection.call('BGSAVE', 'NOW'), '-ERR syntax error');
    await eventually('it is done', 10_000, async () => {
      return (await server.info('persistence')).get('rdb_bgsave_in_progress') === '0';
    });
    assert.equal(await connection.call('SAVE'), 'OK');
    assert.match(String(await connection.call('HOLT', 'HELP')), /SNAPSHOT \[HOLD\]/);
    connection.close();
    const wrong = await runHolt(['snapshot', '--connect', '127.0.0.1:1']);
    assert.equal(wrong.code, 1);
    assert.match(wrong.stderr, /^holt: no answer from 127\.0\.0\.1:1: .*ECONNREFUSED/);
    await assertAllThere();
  });
});
