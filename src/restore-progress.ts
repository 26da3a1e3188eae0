// How far the copy of a snapshot is when a server starts from one: with gigabytes of data it is most of
// the start, and nothing else is to be seen meanwhile.

import type { CopyProgress } from '../sqlite-sm/index.js';

const stepPercent = 10;

/** Calls `say` at the first report and then whenever another tenth is done. */
export function restoreProgress(
  say: (fields: { readonly percent: number; readonly totalBytes: number }) => void,
): CopyProgress {
  let nextPercent = 0;
  return (copiedBytes, totalBytes) => {
    const percent = Math.floor((copiedBytes / totalBytes) * 100);
    if (percent < nextPercent) return;
    nextPercent = percent - (percent % stepPercent) + stepPercent;
    say({ percent, totalBytes });
  };
}
