// The disk of one server fills up: its process ends and says why, the others go on, and with room
// again it catches up.
//
// The disk is a tmpfs of a few MiB, which takes the right to mount one.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import { ClusterUnderTest, type ServerUnderTest } from './cluster-under-test.js';
import { eventually } from './eventually.js';
import { WriteLoad } from './insistent-client.js';
import { runProgram } from './run-program.js';

describe('A full disk', () => {
  let cluster: ClusterUnderTest | undefined;
  let mountPoint: string | undefined;
  let load: WriteLoad | undefined;

  before(async () => {
    cluster = await ClusterUnderTest.start({
      prepare: async ([, , server]) => {
        mountPoint = await mountSmallDisk(server!);
      },
    });
  });
  after(async () => {
    load?.abort();
    for (const server of cluster?.servers ?? []) server.killIfRunning();
    if (mountPoint !== undefined) await runProgram('umount', ['--lazy', mountPoint]);
    cluster?.dispose();
  });

  it('ends one server with the reason; the others go on; with room it catches up', async () => {
    const server = cluster!.server(3);
    server.expectFatal();
    load = new WriteLoad(cluster!, { valueBytes: 32 * 1024 });
    assert.equal(await server.exited(60_000), 1);
    const [sentence] = server.fatalLines.slice(-1);
    assert.match(String(sentence), /ENOSPC|no space left|disk is full/i);

    const endedAtMs = performance.now();
    await eventually('writes go on', 15_000, () => load!.firstAcknowledgedSince(endedAtMs));
    await load.stop();

    const remounted = await runProgram('mount', ['-o', 'remount,size=1g', mountPoint!]);
    assert.equal(remounted.code, 0, remounted.stderr);
    await server.start();
    await cluster!.converged(30_000);
  });
});

/** Moves the server's directory to a disk of its own. */
async function mountSmallDisk(server: ServerUnderTest): Promise<string> {
  const { directory } = server;
  const files = fs.readdirSync(directory).map((name) => ({
    path: `${directory}/${name}`,
    bytes: fs.readFileSync(`${directory}/${name}`),
  }));
  const mounted = await runProgram('mount', ['-t', 'tmpfs', '-o', 'size=24m', 'tmpfs', directory]);
  assert.equal(mounted.code, 0, `Cannot mount a tmpfs: ${mounted.stderr}`);
  for (const { path, bytes } of files) fs.writeFileSync(path, bytes, { mode: 0o600 });
  return directory;
}
