// What the operating system knows about processes: whether one runs, as what, and who holds a port.
//
// A number in a pid file is a rumour: the process may be gone and its number given to a program that
// has nothing to do with us. So nothing is signalled on the strength of a number; the arguments of
// the process are looked at first. Linux tells them in /proc; elsewhere `ps` does. Between the look
// and the signal a number could still change hands, which no portable interface prevents.

import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import { resolve } from 'node:path';

const hasProc = fs.existsSync('/proc/self/cmdline');

/** `paused`: stopped by a signal. A process that has ended and was not waited for is `gone`. */
export function runState(pid: number): 'running' | 'paused' | 'gone' {
  const letter = hasProc ? procState(pid) : ps(pid, 'state').charAt(0);
  if (letter === '' || letter === 'Z' || letter === 'X') return 'gone';
  return letter === 'T' || letter === 't' ? 'paused' : 'running';
}

/** Arguments joined by spaces; empty when the process is gone, or cannot be looked at. */
export function commandLine(pid: number): string {
  return hasProc ? procArguments(pid).join(' ') : ps(pid, 'args');
}

/** Whether `pid` is a `holt server` of `directory`, which must be a real path. */
export function isServerOf(pid: number, directory: string): boolean {
  if (!hasProc) return ps(pid, 'args').includes(` server --dir ${directory}`);
  const args = procArguments(pid);
  const at = args.indexOf('--dir');
  const given = at >= 0 ? args[at + 1] : args.find((arg) => arg.startsWith('--dir='))?.slice(6);
  if (given === undefined || !args.includes('server')) return false;
  return realPath(resolve(procLink(pid, 'cwd') ?? '/', given)) === directory;
}

/**
 * Who listens on a TCP port of this machine, as `pid 17 (redis-server *:7001)`. Undefined where
 * there is no /proc, and when the program belongs to another user.
 */
export function portHolder(port: number): string | undefined {
  const sockets = listeningSockets(port);
  if (sockets.size === 0) return undefined;
  const pids = listProc('/proc').filter((name) => /^\d+$/.test(name));
  for (const pid of pids.map(Number)) {
    const holds = listProc(`/proc/${pid}/fd`).some((descriptor) =>
      sockets.has(procLink(pid, `fd/${descriptor}`) ?? ''),
    );
    if (holds) return `pid ${pid} (${commandLine(pid)})`;
  }
  return undefined;
}

/** As links of descriptors name them: `socket:[inode]`. */
function listeningSockets(port: number): Set<string> {
  const listen = '0A';
  const sockets = new Set<string>();
  for (const table of ['/proc/net/tcp', '/proc/net/tcp6']) {
    for (const line of readProc(table).split('\n').slice(1)) {
      // sl local_address rem_address st tx_queue:rx_queue tr:tm->when retrnsmt uid timeout inode
      const [, local, , state, , , , , , inode] = line.trim().split(/\s+/);
      const localPort = Number.parseInt(local?.split(':')[1] ?? '', 16);
      if (state === listen && localPort === port) sockets.add(`socket:[${inode}]`);
    }
  }
  return sockets;
}

/** The state's letter; empty when the process is gone. */
function procState(pid: number): string {
  // pid (name) state …, where the name may hold spaces and parentheses.
  const text = readProc(`/proc/${pid}/stat`);
  return text.slice(text.lastIndexOf(')') + 2).charAt(0);
}

function procArguments(pid: number): string[] {
  return readProc(`/proc/${pid}/cmdline`).split('\0').slice(0, -1);
}

function procLink(pid: number, name: string): string | undefined {
  return unlessHidden(() => fs.readlinkSync(`/proc/${pid}/${name}`));
}

function readProc(path: string): string {
  return unlessHidden(() => fs.readFileSync(path, 'utf8')) ?? '';
}

function listProc(path: string): string[] {
  return unlessHidden(() => fs.readdirSync(path)) ?? [];
}

function realPath(path: string): string | undefined {
  return unlessHidden(() => fs.realpathSync(path));
}

/** Undefined when the process ended meanwhile, or belongs to another user. */
function unlessHidden<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (['ENOENT', 'ENOTDIR', 'ESRCH', 'EACCES', 'EPERM'].includes(code ?? '')) return undefined;
    throw error;
  }
}

function ps(pid: number, column: 'state' | 'args'): string {
  const { stdout, error } = spawnSync('ps', ['-ww', '-o', `${column}=`, '-p', String(pid)], {
    encoding: 'utf8',
  });
  if (error !== undefined) throw error;
  return stdout.trim();
}
