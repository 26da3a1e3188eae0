// Waiting for what another process does: ask again until it is so, or until it should have been.

const pollMs = 20;

/**
 * Asks `probe` until it returns something other than undefined or false, and returns that. An
 * exception counts as "not yet". Throws after `deadlineMs` with what was waited for and the last
 * exception.
 */
export async function eventually<T>(
  what: string,
  deadlineMs: number,
  probe: () => T | undefined | false | Promise<T | undefined | false>,
): Promise<T> {
  const deadline = performance.now() + deadlineMs;
  for (;;) {
    let problem: unknown;
    try {
      const found = await probe();
      if (found !== undefined && found !== false) return found;
    } catch (error) {
      problem = error;
    }
    if (performance.now() >= deadline) {
      throw new Error(`Waited ${deadlineMs} ms in vain: ${what}`, { cause: problem });
    }
    await pause(pollMs);
  }
}

/** Lets `ms` pass: between two questions, or as the length of a load. */
export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
