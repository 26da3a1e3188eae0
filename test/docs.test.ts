// Pages that are made from tables say what the tables say.
//
// `HOLT_REWRITE=1 npm test` writes them anew; look at the difference before you commit it.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import { join, resolve } from 'node:path';
import type { Options as YargsOption } from 'yargs';
import { dataCommands } from '../sqlite-sm/index.js';
import { serverCommands } from '../src/client/commands/index.js';
import { serverOptionTable } from '../src/options.js';

const root = resolve(import.meta.dirname, '../..');

/** The part of a page between its `begin` and `end` marks for `name`. */
function checkGenerated(path: string, name: string, expected: string): void {
  const absolute = join(root, path);
  const page = fs.readFileSync(absolute, 'utf8');
  const begin = `<!-- begin ${name} -->\n`;
  const end = `<!-- end ${name} -->`;
  const from = page.indexOf(begin) + begin.length;
  const to = page.indexOf(end);
  assert(from >= begin.length && to >= from, `${path} has no place for ${name}`);
  if (process.env.HOLT_REWRITE === '1') {
    fs.writeFileSync(absolute, page.slice(0, from) + expected + page.slice(to));
    return;
  }
  assert.equal(page.slice(from, to), expected, `${path} is not current: HOLT_REWRITE=1 npm test`);
}

function commandRows(): string {
  const rows = [...dataCommands, ...serverCommands]
    .toSorted((a, b) => a.name.localeCompare(b.name))
    .map(({ name, group, since, summary, complexity }) => {
      return `| \`${name.replace('|', ' ').toUpperCase()}\` | ${group} | ${since} | ${summary} | ${complexity} |\n`;
    });
  return `| command | group | since Redis | | complexity |\n|---|---|---|---|---|\n${rows.join('')}`;
}

function optionRows(): string {
  const rows = Object.entries(serverOptionTable as Record<string, YargsOption>).map(
    ([name, option]) => `| \`${name}\` | ${option.default ?? ''} | ${option.describe} |\n`,
  );
  return `| option | default | |\n|---|---|---|\n${rows.join('')}`;
}

describe('Documentation', () => {
  it('docs/commands.md lists the commands of the tables', () => {
    checkGenerated('docs/commands.md', 'commands', commandRows());
  });

  it('README.md lists the options of the table', () => {
    checkGenerated('README.md', 'options', optionRows());
  });
});
