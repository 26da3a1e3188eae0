import assert from 'node:assert/strict';
import type { Listener, Network } from '../../raft/index.js';
import {
  type BindAddress,
  exposedHost,
  listenOnEach,
  networkOn,
  parseBind,
} from '../../src/bind-addresses.js';

function systemError(code: string): Error {
  return Object.assign(new Error(`listen ${code}`), { code });
}

/** Hosts that cannot be listened on, with the reason, and what happens on the others. */
class Machine {
  readonly failures: Readonly<Record<string, string>>;
  readonly listening: string[] = [];
  readonly skipped: string[] = [];

  constructor(failures: Readonly<Record<string, string>> = {}) {
    this.failures = failures;
  }

  listen(addresses: readonly BindAddress[]): Promise<readonly string[]> {
    return listenOnEach<string>(addresses, {
      listen: async (host) => {
        const code = this.failures[host];
        if (code !== undefined) throw systemError(code);
        this.listening.push(host);
        return host;
      },
      close: (host) => this.listening.splice(this.listening.indexOf(host), 1),
      onSkipped: (host, reason) => this.skipped.push(`${host}: ${reason}`),
    });
  }
}

describe('The addresses of bind', () => {
  it('are separated by blanks, and may be missing behind a dash', () => {
    assert.deepEqual(parseBind(' 10.0.0.1  localhost\t-::1 '), [
      { host: '10.0.0.1', isOptional: false },
      { host: 'localhost', isOptional: false },
      { host: '::1', isOptional: true },
    ]);
    assert.deepEqual(parseBind(' - '), []);
  });

  it('have stars for all addresses of a family', () => {
    assert.deepEqual(parseBind('* -::*'), [
      { host: '0.0.0.0', isOptional: false },
      { host: '::', isOptional: true },
    ]);
  });

  it('are exposed when one of them is no loopback', () => {
    assert.equal(exposedHost(parseBind('127.0.0.1 -::1 localhost 127.9.9.9')), undefined);
    assert.equal(exposedHost(parseBind('127.0.0.1 -10.0.0.1')), '10.0.0.1');
    assert.equal(exposedHost(parseBind('127.0.0.1 *')), '0.0.0.0');
    assert.equal(exposedHost(parseBind('-::*')), '::');
  });

  it('are all listened on, but for optional ones that are missing', async () => {
    const machine = new Machine({ '::1': 'EADDRNOTAVAIL', '::2': 'EAFNOSUPPORT' });
    const listening = await machine.listen(parseBind('127.0.0.1 -::1 -::2 127.0.0.2'));
    assert.deepEqual(listening, ['127.0.0.1', '127.0.0.2']);
    assert.deepEqual(machine.skipped, ['::1: listen EADDRNOTAVAIL', '::2: listen EAFNOSUPPORT']);
  });

  it('fail together: one that must be there, or is taken, leaves none', async () => {
    for (const [bind, code] of [
      ['127.0.0.1 10.0.0.1', 'EADDRNOTAVAIL'],
      ['127.0.0.1 -10.0.0.1', 'EADDRINUSE'],
    ] as const) {
      const machine = new Machine({ '10.0.0.1': code });
      await assert.rejects(machine.listen(parseBind(bind)), { code });
      assert.deepEqual(machine.listening, []);
    }
  });

  it('must not all be missing', async () => {
    const machine = new Machine({ '::1': 'EADDRNOTAVAIL' });
    await assert.rejects(machine.listen(parseBind('-::1')), {
      message: 'Cannot listen: this machine has none of the addresses of bind',
    });
  });

  it('are those of the peers, too, behind one listener', async () => {
    const open = new Set<string>();
    const network: Network = {
      connect: () => assert.fail('Not used'),
      listen({ host, port }, _onConnection, done) {
        if (host === '::1') return done(systemError('EADDRNOTAVAIL'), undefined);
        open.add(`${host}:${port}`);
        done(undefined, { port, close: () => open.delete(`${host}:${port}`) });
      },
    };
    const listen = (bind: string): Promise<Listener> =>
      new Promise((resolve, reject) => {
        networkOn(parseBind(bind), network, () => {}).listen(
          { host: 'unused', port: 7 },
          () => {},
          (error, listener) => (error === undefined ? resolve(listener!) : reject(error)),
        );
      });
    const listener = await listen('127.0.0.1 -::1 127.0.0.2');
    assert.equal(listener.port, 7);
    assert.deepEqual([...open], ['127.0.0.1:7', '127.0.0.2:7']);
    listener.close();
    assert.deepEqual([...open], []);
    await assert.rejects(listen('127.0.0.1 ::1'), { code: 'EADDRNOTAVAIL' });
    assert.deepEqual([...open], []);
  });
});
