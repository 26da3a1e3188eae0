// A server's log: JSON lines of pino, and whatever else the process printed before it died.

import fs from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

/** How far back `lastLines` looks. */
const tailBytesMax = 1024 * 1024;
const chunkBytes = 64 * 1024;
const pollMs = 200;

/** The last `lineCount` lines behind `from`, and where the file ends. No file: no lines. */
export function lastLines(
  path: string,
  lineCount: number,
  from = 0,
): { readonly lines: string[]; readonly end: number } {
  const end = fs.statSync(path, { throwIfNoEntry: false })?.size ?? 0;
  const start = Math.max(from, end - tailBytesMax);
  const text = readRange(path, start, end).toString('utf8');
  const lines = text.split('\n');
  // Behind the last line end there is nothing, or a line that is being written.
  if (lines.at(-1) === '') lines.pop();
  return { lines: lineCount === 0 ? [] : lines.slice(-lineCount), end };
}

/** Hands on what is appended behind `offset`, for ever. A file made anew is read from its start. */
export async function follow(
  path: string,
  offset: number,
  onBytes: (bytes: Buffer) => void,
): Promise<never> {
  for (;;) {
    const size = fs.statSync(path, { throwIfNoEntry: false })?.size ?? 0;
    if (size < offset) offset = 0;
    while (offset < size) {
      const bytes = readRange(path, offset, Math.min(size, offset + chunkBytes));
      if (bytes.length === 0) break;
      onBytes(bytes);
      offset += bytes.length;
    }
    await sleep(pollMs);
  }
}

/** For people: time, level and text of a line of pino's, other lines as they are. */
export function readableLine(line: string): string {
  if (!line.startsWith('{')) return line;
  let parsed: { readonly level?: number; readonly time?: string; readonly msg?: string };
  try {
    parsed = JSON.parse(line);
  } catch (error) {
    // Cut off by the end of the process.
    if (error instanceof SyntaxError) return line;
    throw error;
  }
  if (parsed.msg === undefined) return line;
  const level = levelNames.get(parsed.level ?? 0) ?? String(parsed.level);
  return [parsed.time, level, parsed.msg].filter((part) => part !== undefined).join(' ');
}

/** https://github.com/pinojs/pino/blob/main/docs/api.md#logger-level */
const levelNames = new Map([
  [10, 'trace'],
  [20, 'debug'],
  [30, 'info'],
  [40, 'warn'],
  [50, 'error'],
  [60, 'fatal'],
]);

/** Fewer bytes when the file is shorter, or gone. */
function readRange(path: string, start: number, end: number): Buffer {
  let file: number;
  try {
    file = fs.openSync(path, 'r');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return Buffer.alloc(0);
    throw error;
  }
  try {
    const bytes = Buffer.alloc(end - start);
    return bytes.subarray(0, fs.readSync(file, bytes, 0, bytes.length, start));
  } finally {
    fs.closeSync(file);
  }
}
