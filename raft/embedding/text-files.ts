// Small files of text, through the handed-in files.

import type { Files } from '../effects.js';

/** Undefined when there is none. */
export function readText(files: Files, path: string): string | undefined {
  const stat = files.stat(path);
  if (stat === undefined) return undefined;
  const file = files.open(path, 'read');
  try {
    const bytes = Buffer.alloc(stat.byteLength);
    return bytes.toString('utf8', 0, file.readSync(bytes, 0));
  } finally {
    file.closeSync();
  }
}

/** A new file. Unless `isSynced`, making it durable is left to the caller, and so is its name. */
export function createText(
  files: Files,
  path: string,
  text: string,
  { isSynced }: { readonly isSynced: boolean },
): void {
  const file = files.open(path, 'create');
  try {
    file.writeSync(Buffer.from(text), 0);
    if (isSynced) file.syncSync();
  } finally {
    file.closeSync();
  }
}
