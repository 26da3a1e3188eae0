// What a server remembers of its own slowness: SLOWLOG and LATENCY.

import assert from 'node:assert/strict';
import { ExecutionTimes } from '../../src/client/execution-times.js';
import { LatencyMonitor } from '../../src/client/latency-monitor.js';
import { Session } from '../../src/client/session.js';
import { SlowLog } from '../../src/client/slow-log.js';
import { Statistics } from '../../src/statistics.js';

const session = new Session({
  id: 1,
  address: '127.0.0.1:50000',
  localAddress: '127.0.0.1:7001',
  nowMs: 0,
  isAuthenticated: true,
});

function buffers(...words: string[]): Buffer[] {
  return words.map((word) => Buffer.from(word));
}

function shown(log: SlowLog): string[] {
  return log.latest(1)[0]!.args.map(String);
}

const entry = { at: 1, microseconds: 20_000, address: '127.0.0.1:50000', clientName: 'app' };

describe('The slow log', () => {
  it('keeps the newest, with ids that go on', () => {
    const log = new SlowLog(() => 2);
    for (const word of ['a', 'b', 'c']) log.add(entry, buffers('get', word));
    assert.equal(log.length, 2);
    assert.deepEqual(
      log.latest(-1).map(({ id }) => id),
      [2, 1],
    );
    log.reset();
    log.add(entry, buffers('get', 'd'));
    assert.equal(log.latest(10)[0]!.id, 3);
  });

  it('cuts arguments as Redis does', () => {
    const log = new SlowLog(() => 10);
    log.add(entry, buffers('mget', ...Array.from({ length: 32 }, (_, at) => `k${at}`)));
    assert.equal(shown(log).length, 32);
    assert.deepEqual(shown(log).slice(-2), ['k29', '... (2 more arguments)']);
    log.add(entry, buffers('set', 'k', 'x'.repeat(130)));
    assert.equal(shown(log)[2], `${'x'.repeat(128)}... (2 more bytes)`);
    log.add(entry, buffers('set', 'k', 'x'.repeat(128)));
    assert.equal(shown(log)[2], 'x'.repeat(128));
  });

  it('shows no password', () => {
    const log = new SlowLog(() => 10);
    log.add(entry, buffers('AUTH', 'default', 'secret'));
    assert.deepEqual(shown(log), ['AUTH', '(redacted)', '(redacted)']);
    log.add(entry, buffers('hello', '3', 'AUTH', 'default', 'secret'));
    assert.equal(shown(log).includes('secret'), false);
    log.add(entry, buffers('config', 'SET', 'timeout', '5', 'RequirePass', 'secret'));
    assert.deepEqual(shown(log).slice(2), ['timeout', '5', 'RequirePass', '(redacted)']);
  });
});

describe('Execution times', () => {
  function fixture(settings: { slower: number; latency: number }) {
    const slowLog = new SlowLog(() => 10);
    const latency = new LatencyMonitor(() => settings.latency);
    const times = new ExecutionTimes({
      settings: {
        slowlogLogSlowerThan: settings.slower,
        latencyMonitorThreshold: settings.latency,
      },
      slowLog,
      latency,
      nowMs: () => 5000,
    });
    const statistics = new Statistics(0);
    const run = (name: string, microseconds: number, flags: string[] = []): void => {
      if (!times.add(statistics.of(name), microseconds)) return;
      times.addSlow({ name, flags }, microseconds, session, buffers(name));
    };
    return { slowLog, latency, statistics, run };
  }

  it('are cumulative in the buckets of Redis', () => {
    const { statistics, run } = fixture({ slower: -1, latency: 0 });
    for (const microseconds of [0.2, 1.031, 1.032, 20, 33, 34, 5e9]) run('get', microseconds);
    const { histogram, microseconds } = statistics.of('get');
    assert.equal(microseconds, 0.2 + 1.031 + 1.032 + 20 + 33 + 34 + 5e9);
    assert.deepEqual(histogram.cumulative(), [
      [1, 2],
      [2, 3],
      [33, 5],
      [66, 6],
      [Math.floor((1032 * 2 ** 31 - 1) / 1000), 7],
    ]);
    statistics.reset();
    assert.deepEqual(statistics.of('get').histogram.cumulative(), []);
  });

  it('have percentiles', () => {
    const { statistics, run } = fixture({ slower: -1, latency: 0 });
    const { histogram } = statistics.of('get');
    assert.equal(histogram.percentile(50), 0);
    for (let count = 0; count < 99; count += 1) run('get', 1);
    run('get', 3);
    assert.deepEqual(
      [0, 50, 99, 99.9, 100].map((percent) => histogram.percentile(percent)),
      [1.031, 1.031, 1.031, 4.127, 4.127],
    );
  });

  it('go to the slow log from the threshold on, and with a negative one never', () => {
    const { slowLog, run } = fixture({ slower: 10_000, latency: 0 });
    run('get', 9999);
    assert.equal(slowLog.length, 0);
    run('get', 10_000.4);
    run('exec', 20_000, ['skip_slowlog']);
    assert.deepEqual(
      slowLog.latest(-1).map(({ at, microseconds }) => [at, microseconds]),
      [[5, 10_000]],
    );
    const off = fixture({ slower: -1, latency: 0 });
    off.run('get', 1e9);
    assert.equal(off.slowLog.length, 0);
    const everything = fixture({ slower: 0, latency: 0 });
    everything.run('get', 0);
    assert.equal(everything.slowLog.length, 1);
  });

  it('go to the latency monitor by the kind of command', () => {
    const { latency, slowLog, run } = fixture({ slower: -1, latency: 5 });
    run('get', 4999, ['fast']);
    run('get', 7000, ['fast']);
    run('keys', 9000);
    assert.deepEqual(
      latency.events.map(({ name, max }) => [name, max]),
      [
        ['fast-command', 7],
        ['command', 9],
      ],
    );
    assert.equal(slowLog.length, 0);
  });
});

describe('The latency monitor', () => {
  it('keeps the worst of a second, and 160 samples', () => {
    const monitor = new LatencyMonitor(() => 1);
    monitor.add('event-loop', 1, 5);
    monitor.add('event-loop', 1, 3);
    monitor.add('event-loop', 1, 8);
    assert.deepEqual(monitor.find('event-loop')!.samples, [{ at: 1, milliseconds: 8 }]);
    for (let at = 2; at < 200; at += 1) monitor.add('event-loop', at, 2);
    const { samples, max } = monitor.find('event-loop')!;
    assert.deepEqual([samples.length, samples.at(-1)!.at, max], [160, 199, 8]);
    assert.equal(monitor.reset(['command', 'event-loop']), 1);
    assert.deepEqual(monitor.events, []);
  });

  it('hears nothing below its threshold, and nothing at all with 0', () => {
    let threshold = 10;
    const monitor = new LatencyMonitor(() => threshold);
    monitor.add('command', 1, 9.9);
    threshold = 0;
    monitor.add('command', 1, 1000);
    assert.deepEqual(monitor.events, []);
    assert.equal(monitor.isEnabled, false);
  });
});
