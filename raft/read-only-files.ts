// Files for whoever may look and not touch.
//
// Code that reads what a replica has on its disk also tidies up: it removes what is half-made, and
// makes what is missing. With these files it does the reading alone: what would change a directory
// does nothing, and every file is open for reading only.

import assert from 'node:assert/strict';
import type { Files } from './effects.js';

export function readOnly(files: Files): Files {
  function nothing(): void {}
  return {
    stat: (path) => files.stat(path),
    list: (directory) => files.list(directory),
    open(path, mode) {
      assert(mode !== 'create', 'What is read only has no new files');
      return files.open(path, 'read');
    },
    makeDirectory: nothing,
    createDirectory: nothing,
    rename: nothing,
    remove: nothing,
    removeTreeSync: nothing,
    removeTree: (_path, done) => done(undefined),
    syncDirectorySync: nothing,
    syncDirectory: (_directory, done) => done(undefined),
  };
}
