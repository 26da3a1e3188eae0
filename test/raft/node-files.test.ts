import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import { join } from 'node:path';
import type { FileHandle, OpenMode } from '../../raft/effects.js';
import { nodeFiles } from '../../raft/node-files.js';

const block = 4096;

/** Bytes that tell their place: a shifted or lost block shows. */
function pattern(byteLength: number, seed: number): Buffer {
  const bytes = Buffer.alloc(byteLength);
  for (let at = 0; at < byteLength; at += 4) bytes.writeUInt32LE((at + seed) >>> 0, at);
  return bytes;
}

function write(file: FileHandle, sources: readonly Buffer[], position: number): Promise<void> {
  return new Promise((resolve, reject) => {
    file.write(sources, position, (error) => (error === undefined ? resolve() : reject(error)));
  });
}

/** Where the page cache can be bypassed, and where it usually cannot. */
const places = [os.tmpdir(), '/dev/shm'].filter((place) => fs.existsSync(place));

for (const place of places) {
  describe(`files in ${place}`, () => {
    let directory = '';
    let path = '';
    const opened: FileHandle[] = [];

    beforeEach(() => {
      directory = fs.mkdtempSync(join(place, 'holt-files-'));
      path = join(directory, 'file');
    });

    afterEach(() => {
      for (const file of opened.splice(0)) file.closeSync();
      fs.rmSync(directory, { recursive: true });
    });

    function open(mode: OpenMode): FileHandle {
      const file = nodeFiles.open(path, mode);
      opened.push(file);
      return file;
    }

    for (const [what, position, lengths] of [
      ['one block', 0, [block]],
      ['many blocks in pieces of any length', 3 * block, [100, 5 * block, block - 100]],
      ['the largest that bypasses the page cache', block, [1024 * 1024]],
      ['one block more than that', block, [1024 * 1024 + block]],
      ['a part of a block', 0, [100]],
      ['whole blocks between blocks', 100, [2 * block]],
    ] as const) {
      it(`writes ${what}`, async () => {
        const file = open('create');
        const before = pattern(2 * 1024 * 1024, 1);
        file.writeSync(before, 0);
        const sources = lengths.map((length, at) => pattern(length, 1000 * at));
        await write(file, sources, position);
        const written = Buffer.concat(sources);
        const expected = Buffer.from(before);
        written.copy(expected, position);
        assert.ok(fs.readFileSync(path).equals(expected));
        // Through the handle too, which reads by another descriptor than it writes with.
        const read = Buffer.alloc(written.length);
        assert.equal(file.readSync(read, position), written.length);
        assert.ok(read.equals(written));
      });
    }

    it('writes more at a time than there are buffers to bypass the page cache with', async () => {
      open('create');
      const files = Array.from({ length: 8 }, () => open('durable'));
      const bytes = files.map((_, at) => pattern(64 * block, 7 * at));
      await Promise.all(files.map((file, at) => write(file, [bytes[at]!], at * 64 * block)));
      assert.ok(fs.readFileSync(path).equals(Buffer.concat(bytes)));
    });

    it('removes a directory with everything in it, also one that is not there', async () => {
      for (const isSync of [true, false]) {
        const tree = join(directory, 'tree');
        nodeFiles.createDirectory(tree);
        nodeFiles.makeDirectory(join(tree, 'a', 'b'));
        fs.writeFileSync(join(tree, 'a', 'file'), 'x');
        assert.deepEqual(nodeFiles.list(tree), ['a']);
        assert.throws(() => nodeFiles.createDirectory(tree), { code: 'EEXIST' });
        for (let time = 1; time <= 2; time += 1) {
          if (isSync) nodeFiles.removeTreeSync(tree);
          else {
            const error = await new Promise((resolve) => nodeFiles.removeTree(tree, resolve));
            assert.equal(error, undefined);
          }
          assert.equal(nodeFiles.stat(tree), undefined);
        }
      }
    });

    it('reports a failure and can be closed after it', async () => {
      open('create');
      const file = open('read');
      await assert.rejects(write(file, [pattern(block, 0)], 0), { code: 'EBADF' });
    });
  });
}
