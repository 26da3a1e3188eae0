// Loaded into a server before it starts: its wall clock is wrong by as many milliseconds as the file says
// that CHAOS_CLOCK_FILE names, which is read again and again, so that the clock may jump. Monotonic clocks
// and timers stay what they are.

import fs from 'node:fs';

const readPeriodMs = 250;

const path = process.env.CHAOS_CLOCK_FILE;
if (path !== undefined) {
  const rightMs = Date.now;
  let offsetMs = 0;
  const read = (): void => {
    // Empty while it is being written.
    const text = fs.readFileSync(path, 'utf8');
    if (text !== '') offsetMs = Number(text);
  };
  read();
  setInterval(read, readPeriodMs).unref();
  Date.now = () => rightMs() + offsetMs;
}
