// The process of one server: found through its pid file, started, signalled, waited for.
//
// A server writes `pid` into its directory when it starts and removes it when it stops cleanly. After
// kill -9 or a crash the file stays and its number means nothing any more; `findProcess` tells the
// two apart, and every signal goes through it.
//
// Servers are started in a session of their own with their output in a file: a Ctrl-C at the
// terminal, or its end, reaches this script and not them, so what happens to them then is decided
// in one place (start.ts).

import { type ChildProcess, spawn } from 'node:child_process';
import fs from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { holtProgram, type LocalServer } from './local-cluster.js';
import { commandLine, isServerOf, runState } from './process-table.js';
import { Trouble } from './trouble.js';

export type ServerProcess =
  | { readonly state: 'running' | 'paused'; readonly pid: number }
  /** `stale`: what is wrong with the pid file, if there is one. */
  | { readonly state: 'stopped'; readonly stale: string | undefined };

/** A leader hands over within an election timeout; then the files are closed. Milliseconds. */
const stopTimeoutMs = 15_000;
const pollMs = 50;

export function findProcess(server: LocalServer): ServerProcess {
  const pid = readPid(server);
  if (pid === undefined) return { state: 'stopped', stale: undefined };
  if (isServerOf(pid, server.directory)) {
    const state = runState(pid);
    if (state !== 'gone') return { state, pid };
  }
  const program = runState(pid) === 'gone' ? '' : commandLine(pid);
  const stale =
    program === ''
      ? `its pid file says ${pid}, which has ended`
      : `its pid file says ${pid}, which is another program (${program})`;
  return { state: 'stopped', stale };
}

/** Appends to the server's log. The child is in a session of its own. `more` are arguments. */
export function spawnServer(server: LocalServer, more: readonly string[] = []): ChildProcess {
  // A stale one would be taken for the new server's until that has written its own.
  fs.rmSync(pidPath(server), { force: true });
  const log = fs.openSync(logPath(server), 'a');
  try {
    const args = ['server', '--dir', server.directory, ...more];
    return spawn(process.execPath, [holtProgram, ...args], {
      detached: true,
      stdio: ['ignore', log, log],
    });
  } finally {
    fs.closeSync(log);
  }
}

/** Returns the pid. Throws `Trouble` when the server is not running. */
export function signalServer(server: LocalServer, signal: NodeJS.Signals): number {
  const found = findProcess(server);
  if (found.state === 'stopped') {
    throw new Trouble(
      `server ${server.number} is not running: \`cluster restart ${server.number}\` starts it`,
    );
  }
  process.kill(found.pid, signal);
  return found.pid;
}

/** Asks a process to end, a paused one too. It may have ended meanwhile. */
export function requestStop(pid: number): void {
  try {
    process.kill(pid, 'SIGTERM');
    process.kill(pid, 'SIGCONT');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

/** Stops servers cleanly, side by side. Returns those that were running. Throws `Trouble`. */
export async function stopServers(servers: readonly LocalServer[]): Promise<LocalServer[]> {
  const running = servers.flatMap((server) => {
    const found = findProcess(server);
    return found.state === 'stopped' ? [] : [{ server, pid: found.pid }];
  });
  for (const { pid } of running) requestStop(pid);
  for (const { server, pid } of running) {
    if (await hasEnded(server, pid)) continue;
    throw new Trouble(
      `server ${server.number} (pid ${pid}) has not stopped within ${stopTimeoutMs / 1000} s: ` +
        `see \`cluster logs ${server.number}\`; \`cluster kill ${server.number}\` ends it`,
    );
  }
  return running.map(({ server }) => server);
}

/** False when the process is still there after the time a clean stop may take. */
export async function hasEnded(server: LocalServer, pid: number): Promise<boolean> {
  const deadline = performance.now() + stopTimeoutMs;
  while (isServerOf(pid, server.directory) && runState(pid) !== 'gone') {
    if (performance.now() > deadline) return false;
    await sleep(pollMs);
  }
  return true;
}

export function logPath(server: LocalServer): string {
  return join(server.directory, 'log');
}

function pidPath(server: LocalServer): string {
  return join(server.directory, 'pid');
}

function readPid(server: LocalServer): number | undefined {
  let text: string;
  try {
    text = fs.readFileSync(pidPath(server), 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    return undefined;
  }
  const pid = Number(text);
  // 0 and below would mean process groups to kill(2).
  return Number.isSafeInteger(pid) && pid > 0 ? pid : undefined;
}
