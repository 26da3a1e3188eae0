// What must not outlive the benchmark, however it ends: by itself, by an error, by Ctrl-C.
//
// Everything here runs in the handler of 'exit', where nothing can be waited for; so the actions are
// synchronous, and each must do no harm when there is nothing left to do. Only kill -9 of the
// benchmark leaves its servers running.

import os from 'node:os';

const actions: (() => void)[] = [];

/** Returns a function that takes the action back. Actions run in reverse order. */
export function atEnd(action: () => void): () => void {
  actions.push(action);
  return () => {
    const at = actions.indexOf(action);
    if (at >= 0) actions.splice(at, 1);
  };
}

process.on('exit', () => {
  for (const action of actions.reverse()) {
    try {
      action();
    } catch (error) {
      // The others still have to run.
      process.stderr.write(`bench: ${(error as Error).message}\n`);
      process.exitCode = 1;
    }
  }
});
// Ended by a signal, a process leaves without 'exit' unless it is told otherwise.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => process.exit(128 + os.constants.signals[signal]));
}
