// Reads the third-party compatibility suite: the file cts.json of
// tair-opensource/compatibility-test-suite-for-redis. It is not part of this repository.

import fs from 'node:fs';
import { splitCommand } from './conformance-case.js';

/** A string is a simple or a bulk string, null any null; maps are flat lists. */
export type SuiteReply = string | number | null | readonly SuiteReply[];

export interface SuiteCase {
  readonly name: string;
  /** Position in the file: names are not unique. */
  readonly position: number;
  readonly commands: readonly (readonly string[])[];
  readonly replies: readonly SuiteReply[];
  /** Compare lists after sorting: innermost ones each by itself. */
  readonly isSorted: boolean;
}

interface RawCase {
  readonly name: string;
  readonly command: readonly string[];
  readonly result: readonly SuiteReply[];
  readonly since: string;
  readonly tags?: 'standalone' | 'cluster';
  readonly sort_result?: unknown;
  readonly command_binary?: unknown;
  readonly skipped?: unknown;
}

/** Marked "standalone" because its runner's cluster client cannot send them; a cluster's node can. */
const worksOnOneNode = new Set([
  ...['randomkey', 'scan', 'keys', 'move', 'dbsize', 'flushall', 'flushdb'],
  ...['multi', 'exec', 'discard', 'watch', 'unwatch'],
]);

/**
 * The cases named after one of `commands` that hold for Redis 7.2.0 and for a node of a cluster:
 * those marked "standalone" only where one node can answer them.
 */
export function readSuite(path: string, commands: ReadonlySet<string>): SuiteCase[] {
  const raw = JSON.parse(fs.readFileSync(path, 'utf8')) as RawCase[];
  return raw
    .map((each, position) => ({ each, position, command: each.name.split(' ')[0]!.toLowerCase() }))
    .filter(({ command }) => commands.has(command))
    .filter(({ each }) => each.skipped === undefined && isUpTo(each.since, [7, 2, 0]))
    .filter(({ each, command }) => each.tags !== 'standalone' || worksOnOneNode.has(command))
    .map(({ each, position }) => ({
      name: each.name,
      position,
      commands: each.command.map((line) =>
        splitCommand(each.command_binary === undefined ? line : unescaped(line)),
      ),
      replies: each.result,
      isSorted: each.sort_result !== undefined,
    }));
}

function isUpTo(version: string, limit: readonly number[]): boolean {
  const parts = version.split('.').map(Number);
  const at = limit.findIndex((each, index) => (parts[index] ?? 0) !== each);
  return at === -1 || (parts[at] ?? 0) < limit[at]!;
}

const escapes: Record<string, string> = {
  n: '\n',
  r: '\r',
  t: '\t',
  a: '\x07',
  b: '\b',
};

function unescaped(line: string): string {
  return line.replace(/\\(?:x([0-9a-f]{2})|(.))/gis, (_, hex?: string, character?: string) =>
    hex === undefined
      ? (escapes[character!] ?? character!)
      : String.fromCharCode(Number.parseInt(hex, 16)),
  );
}
