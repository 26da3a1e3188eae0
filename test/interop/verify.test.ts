// `holt verify` on the directory of a real server: what it says of a whole one and of each kind of
// damage, and that it leaves everything as it was.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import { join } from 'node:path';
import { ClusterUnderTest, runHolt, type ServerUnderTest } from './cluster-under-test.js';
import { eventually } from './eventually.js';
import { runProgram } from './run-program.js';

describe('holt verify', () => {
  let cluster: ClusterUnderTest;
  let server: ServerUnderTest;
  let votePath: string;
  let databasePath: string;

  before(async () => {
    cluster = await ClusterUnderTest.start({ serverCount: 1 });
    server = cluster.server(1);
    votePath = join(server.groupDirectory, 'vote');
    databasePath = join(server.groupDirectory, 'live.db');
    const client = await server.connect();
    for (let at = 0; at < 500; at += 1) {
      assert.equal(await client.call('SET', `key:${at}`, Buffer.alloc(200, 'v')), 'OK');
    }
    client.close();
    await server.stop();
  });
  after(() => cluster.dispose());

  async function startAndLead(): Promise<void> {
    await server.start();
    await cluster.leader();
  }

  /** Runs it, which must not change the directory. */
  async function verify(directory = server.directory): Promise<{ code: number; text: string }> {
    const before = fingerprint(directory);
    const { code, stdout, stderr } = await runHolt(['verify', '--dir', directory]);
    assert.deepEqual(fingerprint(directory), before, 'the directory was changed');
    const copies = fs.readdirSync(os.tmpdir()).filter((name) => name.startsWith('holt-verify-'));
    assert.deepEqual(copies, [], 'a copy was left behind');
    assert(code !== undefined);
    return { code, text: stdout + stderr };
  }

  async function assertDamaged(expected: RegExp): Promise<void> {
    const { code, text } = await verify();
    assert.match(text, expected);
    assert.match(text, /\ndamaged: docs\/operations\.md has what to do\n$/);
    assert.equal(code, 1);
  }

  /** Does something to a file, verifies, and puts the bytes back. */
  async function withBytes(path: string, offset: number, bytes: Buffer, then: () => Promise<void>) {
    const good = fs.readFileSync(path).subarray(offset, offset + bytes.length);
    overwrite(path, offset, bytes);
    try {
      await then();
    } finally {
      overwrite(path, offset, good);
    }
  }

  it('finds a stopped server whole', async () => {
    const { code, text } = await verify();
    assert.equal(code, 0, text);
    assert.match(text, /^group 1, replica [0-9a-f]{40}\n/);
    assert.match(
      text,
      / whole +vote file: term \d+, voted for [0-9a-f]{40}; both copies are sound\n/,
    );
    assert.match(
      text,
      / whole +log: \d+ segments? of \d+ bytes, \d+ frames, entries 1 to \d+, the /,
    );
    assert.match(
      text,
      / whole +live\.db: trusted, the marker fits; quick_check found nothing; it has entries up to /,
    );
    assert.match(text, / whole +state: it is that of entry \d+, and the log has what follows\n/);
    assert.match(text, /\nwhole\n$/);
  });

  it('finds a killed server whole, with its database still in the WAL', async () => {
    await startAndLead();
    await server.call('SET', 'last', 'written');
    // It is acknowledged when the log has it; the state follows.
    await eventually('the WAL has it', 5000, () => fs.statSync(`${databasePath}-wal`).size > 0);
    await server.kill9();
    const { code, text } = await verify();
    assert.equal(code, 0, text);
    assert.match(text, / whole +live\.db: trusted/);
    await startAndLead();
    assert.equal(await server.call('GET', 'last'), 'written');
    await server.stop();
  });

  it('keeps away from a running server', async () => {
    await startAndLead();
    const { code, stdout, stderr } = await runHolt(['verify', '--dir', server.directory]);
    assert.deepEqual([code, stdout], [2, '']);
    assert.match(
      stderr,
      /^holt: Cannot use ".*": a server is running on it \(see its pid file\)\n$/,
    );
    await server.stop();
  });

  it('tells unusable arguments from damage', async () => {
    const nowhere = await runHolt(['verify', '--dir', join(cluster.directory, 'nowhere')]);
    assert.equal(nowhere.code, 2);
    assert.match(nowhere.stderr, /it is not a directory made by `holt init`/);
    assert.equal((await runHolt(['verify'])).code, 2);
  });

  it('finds each copy of the vote file that is damaged', async () => {
    const flipped = Buffer.of(fs.readFileSync(votePath)[70]! ^ 1);
    await withBytes(votePath, 70, flipped, async () => {
      await assertDamaged(/damaged +vote file: term \d+, .*one of the two copies is damaged/);
      await withBytes(votePath, 4096 + 70, flipped, () =>
        assertDamaged(/damaged +vote file: Cannot trust .* both copies are damaged/),
      );
    });
  });

  it('finds damage in the log, and goes on with the rest', async () => {
    const logDirectory = join(server.groupDirectory, 'log');
    const path = join(logDirectory, '0000000000000001.log');
    await withBytes(path, 4096 + 8, Buffer.alloc(16, 0xff), async () => {
      await assertDamaged(/damaged +log: Cannot trust the log: frame 1 .* was durable/);
      assert.match((await verify()).text, / whole +vote file: /);
    });
    fs.renameSync(logDirectory, `${logDirectory}.away`);
    await assertDamaged(/damaged +log: There is no log in /);
    fs.renameSync(`${logDirectory}.away`, logDirectory);
  });

  it('finds damage in a database that a start would trust', async () => {
    await withBytes(databasePath, 3 * 4096, Buffer.alloc(4096, 0xa5), () =>
      assertDamaged(
        /damaged +live\.db: .*Without the file live\.db\.marker the next start builds it/,
      ),
    );
  });

  it('is not troubled by a database that the next start builds anew', async () => {
    const markerPath = `${databasePath}.marker`;
    fs.renameSync(markerPath, `${markerPath}.away`);
    const { code, text } = await verify();
    fs.renameSync(`${markerPath}.away`, markerPath);
    assert.equal(code, 0, text);
    assert.match(
      text,
      / note +live\.db: not trusted, there is no marker: the next start builds it/,
    );
    assert.match(text, / whole +state: it is that of entry 0, /);
  });

  it('finds each snapshot whole, or what is wrong with it', async () => {
    const snapshotsPath = join(server.groupDirectory, 'snapshots');
    await startAndLead();
    await server.call('BGSAVE');
    const name = await eventually('there is a snapshot', 15_000, () =>
      fs.readdirSync(snapshotsPath).find((each) => each.startsWith('snapshot-')),
    );
    await server.stop();
    const index = Number(name.split('-')[1]);
    const { code, text } = await verify();
    assert.equal(code, 0, text);
    assert.match(
      text,
      new RegExp(` whole +snapshots: one of entry ${index} of term \\d+, \\d+ bytes`),
    );
    const markerPath = `${databasePath}.marker`;
    fs.renameSync(markerPath, `${markerPath}.away`);
    assert.match(
      (await verify()).text,
      new RegExp(` whole +state: it is that of entry ${index}, `),
    );
    fs.renameSync(`${markerPath}.away`, markerPath);
    await withBytes(join(snapshotsPath, name, 'data.db'), 5000, Buffer.alloc(8, 0xa5), () =>
      assertDamaged(/damaged +snapshots: .* its file "data\.db" has changed on the disk\n/),
    );
    await withBytes(join(snapshotsPath, name, 'manifest.json'), 20, Buffer.from('x'), () =>
      assertDamaged(/damaged +snapshots: .* its manifest is damaged/),
    );
  });

  it('finds that a directory is a copy', async () => {
    const copy = `${server.directory}.copy`;
    const copied = await runProgram('cp', ['-a', server.directory, copy]);
    assert.equal(copied.code, 0, copied.stderr);
    const { code, text } = await verify(copy);
    fs.rmSync(copy, { recursive: true });
    assert.equal(code, 1);
    assert.match(text, /damaged +vote file: it is not the file that this replica was born with/);
    assert.match(text, / whole +log: /);
  });

  it('finds an identity that cannot be read', async () => {
    await withBytes(join(server.directory, 'identity.json'), 0, Buffer.from('x'), () =>
      assertDamaged(/damaged +identity: Cannot read ".*identity\.json": it is not JSON/),
    );
  });

  it('has nothing to say of a server that has never run', async () => {
    const fresh = await ClusterUnderTest.create({ serverCount: 1 });
    try {
      const { code, text } = await verify(fresh.server(1).directory);
      assert.equal(code, 0, text);
      assert.match(text, / note +replica: it has never taken part\nwhole\n$/);
    } finally {
      fresh.dispose();
    }
  });

  it('left a server that starts', async () => {
    await startAndLead();
    assert.equal(await server.call('DBSIZE'), 501);
    await server.stop();
  });
});

/** Names, bytes and mtimes of everything in a directory, itself included. */
function fingerprint(directory: string): string[] {
  const names = ['.', ...fs.readdirSync(directory, { recursive: true, encoding: 'utf8' })];
  return names.toSorted().map((name) => {
    const path = join(directory, name);
    const stats = fs.statSync(path, { bigint: true });
    const hash = createHash('sha256');
    if (stats.isFile()) hash.update(fs.readFileSync(path));
    return `${name} ${stats.mtimeNs} ${stats.size} ${hash.digest('hex')}`;
  });
}

function overwrite(path: string, position: number, bytes: Buffer): void {
  const descriptor = fs.openSync(path, 'r+');
  fs.writeSync(descriptor, bytes, 0, bytes.length, position);
  fs.closeSync(descriptor);
}
