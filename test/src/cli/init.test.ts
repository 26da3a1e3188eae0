import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import { join } from 'node:path';
import { initCluster, serverAddresses } from '../../../src/cli/init.js';
import { readIdentity } from '../../../src/identity.js';

describe('holt init', () => {
  let dir: string;

  beforeEach(() => {
    dir = fs.mkdtempSync(join(os.tmpdir(), 'holt-init-'));
  });
  afterEach(() => fs.rmSync(dir, { recursive: true }));

  it('records in every directory where clients are told to go', () => {
    const server = ['10.0.0.1:7000', '10.0.0.2:7000'];
    const announce = ['one.example:31000', 'two.example:32000'];
    initCluster(dir, serverAddresses({ server, announce }));
    for (const name of ['server-1', 'server-2']) {
      const { members } = readIdentity(join(dir, name)).groups[0]!;
      assert.deepEqual(
        members.map(({ host, clientPort, announced }) => ({ host, clientPort, announced })),
        [
          {
            host: '10.0.0.1',
            clientPort: 7001,
            announced: { host: 'one.example', clientPort: 31_001 },
          },
          {
            host: '10.0.0.2',
            clientPort: 7001,
            announced: { host: 'two.example', clientPort: 32_001 },
          },
        ],
      );
    }
  });

  it('announces all servers or none', () => {
    const server = ['10.0.0.1:7000', '10.0.0.2:7000'];
    assert.throws(() => serverAddresses({ server, announce: ['one.example:31000'] }), {
      name: 'DirectoryError',
      message: /^Cannot announce 1 of 2 servers: /,
    });
  });
});
