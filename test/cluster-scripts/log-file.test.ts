import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import { join } from 'node:path';
import { lastLines, readableLine } from '../../cluster-scripts/log-file.js';

describe('log file', () => {
  let directory: string;
  let path: string;

  beforeEach(() => {
    directory = fs.mkdtempSync(join(os.tmpdir(), 'holt-log-'));
    path = join(directory, 'log');
  });

  afterEach(() => fs.rmSync(directory, { recursive: true }));

  it('gives the last lines, with one that is being written', () => {
    fs.writeFileSync(path, 'one\ntwo\nthree\nfo');
    assert.deepEqual(lastLines(path, 2), { lines: ['three', 'fo'], end: 16 });
  });

  it('gives nothing from before an offset', () => {
    fs.writeFileSync(path, 'old\nold\nnew\n');
    assert.deepEqual(lastLines(path, 10, 8), { lines: ['new'], end: 12 });
  });

  it('gives no lines when none are asked for, or there is no file', () => {
    assert.deepEqual(lastLines(path, 5), { lines: [], end: 0 });
    fs.writeFileSync(path, 'one\n');
    assert.deepEqual(lastLines(path, 0), { lines: [], end: 4 });
  });

  it('shows a line of pino as time, level and text', () => {
    const line = '{"level":60,"time":"2026-01-02T03:04:05.678Z","err":{},"msg":"cannot start"}';
    assert.equal(readableLine(line), '2026-01-02T03:04:05.678Z fatal cannot start');
  });

  it('leaves other lines as they are, and one that is cut off', () => {
    for (const line of ['Segmentation fault', '{"level":30,"ti', '{"a":1}']) {
      assert.equal(readableLine(line), line);
    }
  });
});
