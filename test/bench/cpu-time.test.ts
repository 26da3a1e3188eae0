import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cpuSeconds, parseStat } from '../../bench/cpu-time.js';

describe('bench: processor time', () => {
  it('is that of the process and of the children it has waited for', () => {
    const stat =
      '4711 (redis-server) S 4700 4711 4711 0 -1 4194560 900 80 0 0 120 30 5 2 20 0 5 0 99 1 1\n';
    assert.deepEqual(parseStat(stat), { state: 'S', parent: 4700, ticks: 120 + 30 + 5 + 2 });
  });

  it('is found behind a program name with spaces and brackets', () => {
    const stat = '7 (a) Z 1 (b) R 1 7 7 0 -1 0 0 0 0 0 11 2 0 0 20 0 1 0 99 1 1\n';
    assert.deepEqual(parseStat(stat), { state: 'R', parent: 1, ticks: 13 });
  });

  it('grows with the work of this process', () => {
    const before = cpuSeconds([process.pid]);
    const { user, system } = process.cpuUsage();
    const wanted = user + system + 200_000;
    let used = 0;
    while (used < wanted) {
      const now = process.cpuUsage();
      used = now.user + now.system;
    }
    // It is counted in ticks of 10 ms.
    assert(cpuSeconds([process.pid]) - before >= 0.15);
  });

  it('of a process that has ended is an error', () => {
    const { pid } = spawnSync('true');
    assert.throws(() => cpuSeconds([process.pid, pid]), /has ended by itself/);
  });
});
