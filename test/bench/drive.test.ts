import assert from 'node:assert/strict';
import { nextRequests, parseFigures } from '../../bench/drive.js';

const header =
  '"test","rps","avg_latency_ms","min_latency_ms","p50_latency_ms","p95_latency_ms","p99_latency_ms","max_latency_ms"\n';

describe('bench: figures of redis-benchmark --csv', () => {
  it('are taken from the columns that the header names', () => {
    const csv = `${header}"SET","222222.22","2.854","0.576","2.567","6.407","6.919","7.119"\n`;
    assert.deepEqual(parseFigures(csv, 'SET'), {
      requestsPerSecond: 222_222.22,
      p50Ms: 2.567,
      p99Ms: 6.919,
      maxMs: 7.119,
    });
  });

  it('may stand in another order', () => {
    const csv =
      '"test","max_latency_ms","p99_latency_ms","rps","p50_latency_ms"\n"GET","4","3","1","2"\n';
    assert.deepEqual(parseFigures(csv, 'GET'), {
      requestsPerSecond: 1,
      p50Ms: 2,
      p99Ms: 3,
      maxMs: 4,
    });
  });

  it('are missing when nothing or another test was run', () => {
    const other = `${header}"GET","1","1","1","1","1","1","1"\n`;
    for (const csv of ['', header, other]) {
      assert.throws(() => parseFigures(csv, 'SET'), /no figures of SET/);
    }
  });

  it('are refused when a column is missing, empty or no number', () => {
    assert.throws(() => parseFigures('"test","rps"\n"SET","9"\n', 'SET'), /no p50_latency_ms/);
    for (const rps of ['', 'nan', 'inf']) {
      const csv = `${header}"SET","${rps}","1","1","1","1","1","1"\n`;
      assert.throws(() => parseFigures(csv, 'SET'), /no rps/);
    }
  });

  it('are refused when no request was made', () => {
    const csv = `${header}"SET","0.00","0","0","0","0","0","0"\n`;
    assert.throws(() => parseFigures(csv, 'SET'), /no requests/);
  });
});

describe('bench: the next number of requests', () => {
  it('is what should last a little longer than asked for', () => {
    assert.equal(nextRequests(1000, 400, 10), 4800);
  });

  it('is at most twenty times the last, whose pace is a guess', () => {
    assert.equal(nextRequests(1000, 50_000, 10), 20_000);
  });

  it('is always more than the last', () => {
    assert.equal(nextRequests(1000, 60, 10), 1500);
  });
});
