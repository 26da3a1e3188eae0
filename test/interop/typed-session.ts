// A program at a terminal, and somebody who types: a line each time the program asks for one.
//
// `script` gives it the terminal. Lines are not typed ahead, because a line editor throws away what
// was typed before it was ready.

import { spawn } from 'node:child_process';

const deadlineMs = 20_000;

/** Types `lines`, each at a prompt; resolves with all that stood on the screen when it ended. */
export function typedSession(
  command: string,
  prompt: RegExp,
  lines: readonly string[],
): Promise<{ readonly code: number | undefined; readonly screen: string }> {
  return new Promise((resolve, reject) => {
    // Without a width the line editor asks the terminal for it, and there is nobody to answer.
    const child = spawn('script', ['-qec', `stty cols 120 rows 40; ${command}`, '/dev/null']);
    const left = [...lines];
    let screen = '';
    /** Where the answer to the last line begins: a prompt before it is the editor's echo. */
    let answerStart = 0;
    let isTyped = false;
    child.stdout.on('data', (chunk: Buffer) => {
      screen += chunk.toString();
      if (isTyped) {
        const end = screen.indexOf('\n', answerStart);
        if (end === -1) return;
        answerStart = end;
        isTyped = false;
      }
      if (!prompt.test(screen.slice(answerStart))) return;
      const line = left.shift();
      if (line === undefined) return;
      answerStart = screen.length;
      isTyped = true;
      child.stdin.write(`${line}\r`);
    });
    const timer = setTimeout(() => child.kill('SIGKILL'), deadlineMs);
    child.once('error', reject);
    child.once('close', (code) => {
      clearTimeout(timer);
      resolve({ code: code ?? undefined, screen });
    });
  });
}
