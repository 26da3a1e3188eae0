import assert from 'node:assert/strict';
import { addressText } from '../../../src/address.js';
import { AdminError, ask, askLeader } from '../../../src/cli/ask-leader.js';
import { ScriptedServer } from './scripted-server.js';

const words = ['HOLT', 'MEMBERS', 'REMOVE', '3'];

describe('Asking the leader', () => {
  let servers: ScriptedServer[];
  let one: ScriptedServer;
  let two: ScriptedServer;

  beforeEach(async () => {
    servers = [await ScriptedServer.start(), await ScriptedServer.start()];
    [one, two] = servers as [ScriptedServer, ScriptedServer];
  });
  afterEach(async () => {
    for (const server of servers) await server.stop();
  });

  function addresses() {
    return servers.map(({ address }) => address);
  }

  it('follows MOVED, also to a server that was not known', async () => {
    one.answer = () => `-MOVED 0 ${addressText(two.address)}\r\n`;
    assert.deepEqual(await askLeader([one.address], '', words), { reply: 'OK' });
    assert.deepEqual(two.requests, [words.join(' ')]);
  });

  it('tries the others when one does not answer, is lost, or knows no leader', async () => {
    for (const answer of [undefined, '-CLUSTERDOWN The cluster is down\r\n']) {
      one.answer = () => answer;
      assert.deepEqual(await askLeader(addresses(), '', words), { reply: 'OK' });
    }
    const gone = one.address;
    await one.stop();
    assert.deepEqual(await askLeader([gone, two.address], '', words), { reply: 'OK' });
  });

  it('returns a refusal, and whether an earlier leader may have done it', async () => {
    one.answer = () => '-NOMEMBER 3 is no member\r\n';
    const first = await askLeader(addresses(), '', words);
    assert('refusal' in first);
    assert.deepEqual([first.refusal.message, first.mayBeDone], ['3 is no member', false]);
    one.answer = () => '-UNCERTAIN The leadership was lost\r\n';
    two.answer = () => '-NOMEMBER 3 is no member\r\n';
    const second = await askLeader(addresses(), '', words);
    assert('refusal' in second);
    assert.deepEqual([second.refusal.code, second.mayBeDone], ['NOMEMBER', true]);
  });

  it('asks a single server with its password', async () => {
    assert.equal(await ask(one.address, 'secret', ['PING']), 'OK');
    assert.deepEqual(one.requests, ['AUTH secret', 'PING']);
  });

  it('names the address where nobody answers', async () => {
    const { address } = one;
    await one.stop();
    await assert.rejects(ask(address, '', ['PING']), (error: AdminError) => {
      assert(error instanceof AdminError);
      assert.match(error.message, new RegExp(`^no answer from ${addressText(address)}: `));
      assert.equal(error.code, undefined);
      return true;
    });
  });
});
