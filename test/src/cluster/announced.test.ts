import assert from 'node:assert/strict';
import { announcedMembers } from '../../../src/cluster/announced.js';
import { newIdentities } from '../../../src/identity.js';

const group = 1;

function told(
  announced: readonly ({ host: string; basePort: number } | undefined)[],
  options = { announceHost: '', announceBasePort: 0 },
): string[] {
  const addresses = announced.map((elsewhere, at) => ({
    host: `10.0.0.${at + 1}`,
    basePort: 7000,
    ...(elsewhere !== undefined && { announced: elsewhere }),
  }));
  const [own] = newIdentities(addresses);
  const { members } = own!.groups[0]!;
  const { replicaId } = own!.replicas[0]!;
  return announcedMembers(members, { group, replicaId }, options).map(
    ({ host, clientPort }) => `${host}:${clientPort}`,
  );
}

describe('Announced addresses', () => {
  it('are where the servers listen, when nothing else is said', () => {
    assert.deepEqual(told([undefined, undefined]), ['10.0.0.1:7001', '10.0.0.2:7001']);
  });

  it('are those that the cluster was made with', () => {
    const elsewhere = [
      { host: 'one.example', basePort: 31_000 },
      { host: 'two.example', basePort: 32_000 },
    ];
    assert.deepEqual(told(elsewhere), ['one.example:31001', 'two.example:32001']);
  });

  it('are, of the server itself, what its options say', () => {
    const options = { announceHost: 'own.example', announceBasePort: 40_000 };
    assert.deepEqual(told([undefined, undefined], options), ['own.example:40001', '10.0.0.2:7001']);
    const host = { announceHost: 'own.example', announceBasePort: 0 };
    assert.deepEqual(told([undefined], host), ['own.example:7001']);
    const port = { announceHost: '', announceBasePort: 40_000 };
    assert.deepEqual(told([{ host: 'one.example', basePort: 1 }], port), ['one.example:40001']);
  });
});
