// The disk of one server fills up: its process ends and says why, the others go on, and with room
// again it catches up.
//
// Nothing keeps a part of the disk free here: `min-free-disk` is off, and looks at the leader's alone.

import assert from 'node:assert/strict';
import { ClusterUnderTest } from './cluster-under-test.js';
import { eventually } from './eventually.js';
import { WriteLoad } from './insistent-client.js';
import { mountSmallDisk, resizeDisk, unmountDisk } from './small-disk.js';

describe('A full disk', () => {
  let cluster: ClusterUnderTest | undefined;
  let mountPoint: string | undefined;
  let load: WriteLoad | undefined;

  before(async () => {
    cluster = await ClusterUnderTest.start({
      serverArguments: ['--min-free-disk', '0'],
      prepare: async ([, , server]) => {
        mountPoint = await mountSmallDisk(server!, '24m');
      },
    });
  });
  after(async () => {
    load?.abort();
    for (const server of cluster?.servers ?? []) server.killIfRunning();
    if (mountPoint !== undefined) await unmountDisk(mountPoint);
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

    await resizeDisk(mountPoint!, '1g');
    await server.start();
    await cluster!.converged(30_000);
  });
});
