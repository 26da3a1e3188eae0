import assert from 'node:assert/strict';
import fs from 'node:fs';
import { resolve } from 'node:path';
import {
  type Measurement,
  type Report,
  ratioText,
  reportText,
  withReport,
} from '../../bench/report.js';
import { chosenRows, type ThroughputRow } from '../../bench/rows.js';

const [row] = chosenRows('^SET 4 KiB, 50 clients$') as [ThroughputRow];
const [memory] = chosenRows('^memory$');

function measurement(peer: string, requestsPerSecond: number, ms: number): Measurement {
  const [p50Ms, p99Ms, maxMs] = [ms, ms * 10, ms * 100];
  const cpuSecondsPer100k = 500_000 / requestsPerSecond;
  return { row, peer, requestsPerSecond, p50Ms, p99Ms, maxMs, seconds: 11.25, cpuSecondsPer100k };
}

const report: Report = {
  settings: { rounds: 3, seconds: 10, memoryRequests: 1_000_000 },
  peers: [
    { title: 'Holt, 3 servers', note: 'on a majority' },
    { title: 'Redis, 1 server', note: 'on one disk' },
  ],
  rows: [row, memory!],
  measurements: [
    measurement('Holt, 3 servers', 9_000, 2.111),
    measurement('Redis, 1 server', 10_000, 1),
    measurement('Holt, 3 servers', 12_345, 1.5),
    measurement('Redis, 1 server', 12_500, 0.5),
    measurement('Holt, 3 servers', 10_000, 9),
    measurement('Redis, 1 server', 8_000, 0.25),
  ],
  memory: [
    {
      peer: 'Holt, 3 servers',
      idleBytes: 79_400_000,
      connectionsBytes: 66_000_000,
      filledBytes: 207_000_000,
      lateBytes: 1_207_600_000,
    },
  ],
  machine: '2 × processor',
  versions: ['Holt 1', 'Redis 7'],
  speed: {
    before: { systemCallNs: 1467.4, syncWriteUs: 226 },
    after: { systemCallNs: 1445, syncWriteUs: 153.6 },
  },
  date: '2026-01-31',
};

describe('bench: report', () => {
  const text = reportText(report);

  it('has medians of the rounds, the largest max and the spread of the ratio', () => {
    const head =
      '| work | peer | requests/s | p50 ms | p99 ms | max ms | CPU s per 100,000 | Holt ÷ it |';
    const at = text.indexOf(head);
    assert(at >= 0, text);
    assert.deepEqual(text.slice(at).split('\n').slice(1, 5), [
      '|---|---|--:|--:|--:|--:|--:|--:|',
      '| SET 4 KiB, 50 clients | Holt, 3 servers | 10,000 | 2.11 | 21.1 | 900 | 50.00 | |',
      '| SET 4 KiB, 50 clients | Redis, 1 server | 10,000 | 0.50 | 5.00 | 100 | 50.00 | 1.00 (0.90–1.25) |',
      '',
    ]);
  });

  it('has the memory in megabytes', () => {
    assert.match(text, /^\| Holt, 3 servers \| 79 \| 66 \| 207 \| 1208 \|$/m);
    assert.match(text, /10,000 idle connections.*after 1,000,000 more SETs/);
  });

  it('says on what machine, how long, and how fast that was before and after', () => {
    assert.match(text, /^Measured on 2026-01-31: 3 rounds, the shortest of 11\.3 s\.$/m);
    assert.match(text, /^- Holt 1, Redis 7\.$/m);
    assert.match(text, /^- 2 × processor\.$/m);
    assert.match(text, /a system call 1467 → 1445 ns; a synchronous write of 4 KiB 226 → 154 µs\./);
    assert.match(text, /^- \*\*Redis, 1 server\*\*: on one disk\.$/m);
  });

  it('leaves out what was not measured', () => {
    const { measurements, memory: figures } = report;
    assert.doesNotMatch(reportText({ ...report, measurements, memory: [] }), /idle connections/);
    const onlyMemory = reportText({ ...report, measurements: [], memory: figures });
    assert.doesNotMatch(onlyMemory, /requests\/s|shortest/);
  });
});

describe('bench: ratio', () => {
  it('is that of the medians, and each round is compared with itself', () => {
    const ours = [100, 300, 200].map((requestsPerSecond) => ({ requestsPerSecond }));
    const its = [200, 200, 400].map((requestsPerSecond) => ({ requestsPerSecond }));
    assert.equal(ratioText(ours, its), '1.00 (0.50–1.50)');
  });

  it('of one round has no spread', () => {
    assert.equal(ratioText([{ requestsPerSecond: 1 }], [{ requestsPerSecond: 3 }]), '0.33');
  });
});

describe('bench: page', () => {
  const page = 'before\n<!-- begin figures -->\nold\n<!-- end figures -->\nafter\n';

  it('keeps what is around the figures', () => {
    assert.equal(
      withReport(page, 'new\n'),
      'before\n<!-- begin figures -->\nnew\n<!-- end figures -->\nafter\n',
    );
  });

  it('docs/benchmarks.md has a place for them', () => {
    const path = resolve(import.meta.dirname, '../../../docs/benchmarks.md');
    assert.match(withReport(fs.readFileSync(path, 'utf8'), 'new\n'), /\nnew\n/);
  });

  it('without a place for them is refused', () => {
    assert.throws(() => withReport('before\n', 'new\n'), /the page has no <!-- begin figures -->/);
  });
});
