// On what the figures were taken, and how fast it was before and after.
//
// A shared machine is not equally fast all day. Two operations that neither Holt nor Redis has a part
// in say how much of a difference is the machine's: a system call, and a synchronous write.

import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import { basename, join } from 'node:path';
import { median } from './median.js';

export interface MachineSpeed {
  /** One getppid(2), called through Node. */
  readonly systemCallNs: number;
  /** Median of one write of 4 KiB into written blocks, with O_DSYNC. */
  readonly syncWriteUs: number;
}

const systemCalls = 1_000_000;
const syncWrites = 500;
const blockBytes = 4096;

export function machineSpeed(directory: string): MachineSpeed {
  return { systemCallNs: systemCallNs(), syncWriteUs: syncWriteUs(join(directory, 'sync-write')) };
}

function systemCallNs(): number {
  const begin = process.hrtime.bigint();
  let parents = 0;
  for (let i = 0; i < systemCalls; i += 1) parents += process.ppid;
  if (parents === 0) throw new Error('no parent process');
  return Number(process.hrtime.bigint() - begin) / systemCalls;
}

function syncWriteUs(path: string): number {
  const block = Buffer.alloc(blockBytes, 1);
  fs.writeFileSync(path, Buffer.alloc(blockBytes * syncWrites), { flush: true });
  const file = fs.openSync(path, fs.constants.O_WRONLY | fs.constants.O_DSYNC);
  try {
    const times = Array.from({ length: syncWrites }, (_, at) => {
      const begin = process.hrtime.bigint();
      fs.writeSync(file, block, 0, blockBytes, at * blockBytes);
      return Number(process.hrtime.bigint() - begin) / 1000;
    });
    return median(times);
  } finally {
    fs.closeSync(file);
    fs.rmSync(path);
  }
}

export function describeMachine(directory: string): string {
  const cpus = os.cpus();
  return [
    `${cpus.length} × ${cpus[0]?.model.trim() ?? 'unknown processor'}`,
    `${(os.totalmem() / 1024 ** 3).toFixed(1)} GiB of memory`,
    `${os.type()} ${os.release()}`,
    diskText(directory),
    `Node.js ${process.versions.node}`,
  ].join(', ');
}

/** `ext4 on /dev/vda (rotational 0)`: what the kernel believes of the device. */
function diskText(directory: string): string {
  const output = execFileSync('df', ['--output=source,fstype', directory], { encoding: 'utf8' });
  const [source = '', type = ''] = output.trim().split('\n').at(-1)!.split(/\s+/);
  const queue = `/sys/class/block/${basename(source)}/queue/rotational`;
  const remark = fs.existsSync(queue)
    ? ` (rotational ${fs.readFileSync(queue, 'utf8').trim()})`
    : '';
  return `${type} on ${source}${remark}`;
}
