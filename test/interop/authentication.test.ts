// Passwords: what a stranger may do, what a friend must do, and what no server should be started
// without.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import { join } from 'node:path';
import { ClusterUnderTest, runHolt, type ServerUnderTest } from './cluster-under-test.js';
import { type ErrorAnswer, RespConnection } from './resp-connection.js';
import { runProgram } from './run-program.js';

const password = 'correct horse battery';
const noAuth = '-NOAUTH Authentication required.';
const wrongPass = '-WRONGPASS invalid username-password pair or user is disabled.';

describe('Authentication', () => {
  describe('with a password', () => {
    let cluster: ClusterUnderTest;
    let leader: ServerUnderTest;
    let stranger: RespConnection;

    before(async () => {
      cluster = await ClusterUnderTest.start({
        environment: { HOLT_REQUIREPASS: password },
        password,
      });
      leader = await cluster.leader();
    });
    beforeEach(async () => {
      stranger = await RespConnection.open(leader.clientPort);
    });
    afterEach(() => stranger.close());
    after(() => cluster.dispose());

    it('a stranger is told to authenticate, whatever it asks', async () => {
      for (const command of [
        ['GET', 'a'],
        ['SET', 'a', '1'],
        ['FLUSHALL'],
        ['PING'],
        ['INFO'],
        ['CLUSTER', 'SLOTS'],
        ['CONFIG', 'GET', '*'],
        ['CLIENT', 'LIST'],
        ['COMMAND'],
      ]) {
        assert.equal(await stranger.call(...command), noAuth, command.join(' '));
      }
      assert.match(String(await stranger.call('HELLO', '3')), /^-NOAUTH HELLO must be called/);
    });

    it('the password opens the door, also in mid-pipeline', async () => {
      const answers = await stranger.pipeline([
        ['GET', 'friend'],
        ['AUTH', 'wrong'],
        ['GET', 'friend'],
        ['AUTH', password],
        ['SET', 'friend', '1'],
        ['GET', 'friend'],
      ]);
      assert.deepEqual(answers, [noAuth, wrongPass, noAuth, 'OK', 'OK', '1']);
    });

    it('AUTH takes the user "default" and no other', async () => {
      assert.equal(await stranger.call('AUTH', 'somebody', password), wrongPass);
      assert.equal(await stranger.call('GET', 'a'), noAuth);
      assert.equal(await stranger.call('AUTH', 'default', password), 'OK');
      assert.equal(await stranger.call('PING'), 'PONG');
    });

    it('HELLO with AUTH authenticates and changes the protocol at once, or neither', async () => {
      assert.equal(await stranger.call('HELLO', '3', 'AUTH', 'default', 'wrong'), wrongPass);
      assert.equal(await stranger.call('GET', 'a'), noAuth);
      const hello = await stranger.call('HELLO', '3', 'AUTH', 'default', password);
      assert.equal((hello as { proto: number }).proto, 3);
      assert.deepEqual(await stranger.call('CONFIG', 'GET', 'save'), { save: '' });
    });

    it('RESET makes a stranger of a friend', async () => {
      assert.equal(await stranger.call('AUTH', password), 'OK');
      assert.equal(await stranger.call('RESET'), 'RESET');
      assert.equal(await stranger.call('GET', 'a'), noAuth);
    });

    for (const [what, bytes, text] of [
      ['11 arguments', '*11\r\n', 'unauthenticated multibulk length'],
      [
        'an argument beyond 16 KiB',
        '*2\r\n$4\r\nAUTH\r\n$16385\r\n',
        'unauthenticated bulk length',
      ],
    ] as const) {
      it(`a stranger may not send ${what}`, async () => {
        stranger.send(bytes);
        const answer = await stranger.next();
        assert.equal((answer as ErrorAnswer).text, `ERR Protocol error: ${text}`);
        await stranger.closed;
      });
    }

    it('redis-cli gets in with -a, and not without', async () => {
      const args = ['-p', String(leader.clientPort)];
      const without = await runProgram('redis-cli', [...args, 'GET', 'a']);
      assert.match(without.stdout, /NOAUTH/);
      const wrong = await runProgram('redis-cli', [...args, '-a', 'wrong', 'GET', 'a']);
      assert.match(wrong.stdout + wrong.stderr, /WRONGPASS/);
      const right = await runProgram('redis-cli', [...args, '-a', password, 'SET', 'a', '1']);
      assert.equal(right.stdout, 'OK\n');
    });

    it('a backup needs it, too', async () => {
      assert.equal(await leader.call('SET', 'kept', '1'), 'OK');
      const to = join(cluster.directory, 'backup');
      const args = ['backup', '--connect', leader.address, '--to', to];
      const refused = await runHolt(args);
      assert.equal(refused.code, 1);
      assert.match(refused.stderr, /NOAUTH/);
      assert(!fs.existsSync(to));
      const taken = await runHolt(args, { HOLT_REQUIREPASS: password });
      assert.equal(taken.code, 0, taken.stderr);
      assert.deepEqual(fs.readdirSync(to).sort(), ['data.db', 'manifest.json']);
    });
  });

  describe('without a password', () => {
    let cluster: ClusterUnderTest;

    before(async () => {
      cluster = await ClusterUnderTest.create({ serverCount: 1 });
    });
    after(() => cluster.dispose());

    it('a server refuses to listen to the world, and says what to do', async () => {
      const sentence = await cluster.server(1).refusal(['--bind', '0.0.0.0']);
      assert.match(sentence, /^cannot start: Cannot listen on 0\.0\.0\.0 without a password/);
      assert.match(sentence, /--requirepass-file or HOLT_REQUIREPASS/);
    });

    it('nor without a bus secret', async () => {
      const { directory } = cluster.server(1);
      const passwordPath = join(cluster.directory, 'password');
      fs.writeFileSync(passwordPath, `${password}\n`);
      fs.renameSync(join(directory, 'bus-secret'), join(directory, 'bus-secret.away'));
      const sentence = await cluster
        .server(1)
        .refusal(['--bind', '0.0.0.0', '--requirepass-file', passwordPath]);
      assert.match(sentence, /^cannot start: Cannot listen on 0\.0\.0\.0 without a bus secret/);
      fs.renameSync(join(directory, 'bus-secret.away'), join(directory, 'bus-secret'));
    });

    it('nor to one address of the world among others, or to none', async () => {
      const server = cluster.server(1);
      assert.match(
        await server.refusal(['--bind', '127.0.0.1 -192.0.2.1']),
        /^cannot start: Cannot listen on 192\.0\.2\.1 without a password/,
      );
      assert.match(
        await server.refusal(['--bind', ' ']),
        /^cannot start: Cannot listen: bind is " ", which names no address/,
      );
    });

    it('AUTH is answered as by a Redis without a password', async () => {
      await cluster.server(1).start();
      const leader = await cluster.leader();
      assert.match(
        String(await leader.call('AUTH', 'x')),
        /^-ERR AUTH <password> called without any password configured for the default user\./,
      );
      assert.equal(await leader.call('AUTH', 'default', 'anything'), 'OK');
      assert.equal(await leader.call('AUTH', 'nobody', 'anything'), wrongPass);
    });
  });
});
