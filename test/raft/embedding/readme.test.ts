// raft/README.md shows code that runs, and tables that are complete.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import { join, resolve } from 'node:path';
import * as errors from '../../../raft/embedding/errors.js';
import { defaultRaftOptions } from '../../../raft/index.js';

const root = resolve(import.meta.dirname, '../../../..');
const readme = fs.readFileSync(join(root, 'raft/README.md'), 'utf8');
const example = fs.readFileSync(join(root, 'examples/counter.ts'), 'utf8');

describe('raft/README.md', () => {
  it('shows code of examples/counter.ts, which compiles and is tested', () => {
    const blocks = [...readme.matchAll(/```ts\n(.*?)```/gs)].map(([, code]) => code!);
    assert(blocks.length >= 5, `Only ${blocks.length} blocks of code were found`);
    for (const code of blocks) {
      assert(example.includes(code), `examples/counter.ts does not have:\n${code}`);
    }
  });

  it('names a script that exists', () => {
    const { scripts } = JSON.parse(fs.readFileSync(join(root, 'package.json'), 'utf8'));
    const [, script] = /npm run ([\w:]+)/.exec(readme)!;
    assert.match(scripts[script!], /examples\/counter\.js/);
  });

  it('has every option with its default', () => {
    for (const [name, value] of Object.entries(defaultRaftOptions)) {
      assert(readme.includes(`| \`${name}\` | ${value} |`), `It lacks ${name}, ${value}`);
    }
  });

  it('has every class of error', () => {
    for (const name of Object.keys(errors)) {
      assert(readme.includes(`\`${name}\``), `It lacks ${name}`);
    }
  });
});
