// Runs a program to its end and keeps what it said.

import { spawn } from 'node:child_process';

export interface ProgramResult {
  /** Undefined when it did not end by itself in time and was killed. */
  readonly code: number | undefined;
  readonly stdout: string;
  readonly stderr: string;
}

export interface ProgramOptions {
  readonly input?: string | Buffer;
  readonly environment?: NodeJS.ProcessEnv;
  /** After this long it is killed. Milliseconds. */
  readonly deadlineMs?: number;
}

export function runProgram(
  program: string,
  args: readonly string[],
  options: ProgramOptions = {},
): Promise<ProgramResult> {
  const { input = '', environment = process.env, deadlineMs = 30_000 } = options;
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { env: environment });
    const stdout: Buffer[] = [];
    const stderr: Buffer[] = [];
    child.stdout.on('data', (chunk: Buffer) => stdout.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => stderr.push(chunk));
    const timer = setTimeout(() => child.kill('SIGKILL'), deadlineMs);
    child.once('error', (error) => {
      clearTimeout(timer);
      reject(error);
    });
    child.once('close', (code) => {
      clearTimeout(timer);
      resolve({
        code: code ?? undefined,
        stdout: Buffer.concat(stdout).toString(),
        stderr: Buffer.concat(stderr).toString(),
      });
    });
    // A program that ends early breaks the pipe; what it said tells why.
    child.stdin.on('error', () => child.stdin.destroy());
    child.stdin.end(input);
  });
}
