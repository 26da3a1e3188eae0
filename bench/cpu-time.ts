// The processor time that processes have used, as Linux counts it.
//
// /proc/PID/stat has the sum over all threads of a process, ended ones too, and apart from it that of
// the children it has waited for. A child that still runs (Redis rewriting its file) is added by hand.
// proc(5)

import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import { Trouble } from '../cluster-scripts/trouble.js';

export interface ProcessTimes {
  readonly parent: number;
  /** User and system time, of the process and the children it has waited for. Ticks. */
  readonly ticks: number;
  /** `Z` is one that has ended. */
  readonly state: string;
}

/** USER_HZ. */
const ticksPerSecond = Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }));

/** Of the processes and their children together, since they began. Throws when one has ended. */
export function cpuSeconds(pids: readonly number[]): number {
  const times = allTimes();
  const ticks = pids.map((pid) => {
    const own = times.get(pid);
    if (own === undefined || own.state === 'Z') {
      throw new Trouble(`the server process ${pid} has ended by itself`);
    }
    return withChildren(pid, times);
  });
  return ticks.reduce((sum, each) => sum + each, 0) / ticksPerSecond;
}

function withChildren(pid: number, times: ReadonlyMap<number, ProcessTimes>): number {
  let ticks = times.get(pid)!.ticks;
  for (const [child, { parent }] of times) {
    if (parent === pid) ticks += withChildren(child, times);
  }
  return ticks;
}

function allTimes(): Map<number, ProcessTimes> {
  const times = new Map<number, ProcessTimes>();
  for (const name of fs.readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    let stat: string;
    try {
      stat = fs.readFileSync(`/proc/${name}/stat`, 'utf8');
    } catch (error) {
      // It ended between the two calls.
      if (['ENOENT', 'ESRCH'].includes((error as NodeJS.ErrnoException).code ?? '')) continue;
      throw error;
    }
    times.set(Number(name), parseStat(stat));
  }
  return times;
}

/** One line of /proc/PID/stat. The second field, a program's name, may hold spaces and brackets. */
export function parseStat(stat: string): ProcessTimes {
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  // Numbered from 1 in proc(5), where the state is the third.
  const field = (number: number): string => fields[number - 3]!;
  const [user, system, childrenUser, childrenSystem] = [14, 15, 16, 17].map(field).map(Number);
  return {
    state: field(3),
    parent: Number(field(4)),
    ticks: user! + system! + childrenUser! + childrenSystem!,
  };
}
