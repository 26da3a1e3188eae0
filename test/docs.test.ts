// Pages that are made from tables say what the tables say.
//
// `HOLT_REWRITE=1 npm test` writes them anew; look at the difference before you commit it.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import { join, resolve } from 'node:path';
import { dataCommands } from '../sqlite-sm/index.js';
import { serverCommands } from '../src/client/commands/index.js';
import { facts } from '../src/facts.js';
import { metricSections } from '../src/metrics.js';
import { optionRows, rangeText } from '../src/options.js';

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

function optionTable(): string {
  const rows = [...optionRows].map(([name, row]) => {
    const change = row.isMutable === true ? 'yes' : '';
    const meaning = [row.meaning, row.whyDefault && `Default: ${row.whyDefault}`]
      .concat(row.isSecret && 'Not on the command line')
      .concat(row.redisDiffers && `Redis: ${row.redisDiffers}`)
      .filter(Boolean)
      .join('. ');
    const unit = row.unit === undefined || row.unit === 'bytes' ? '' : ` ${row.unit}`;
    const preset = row.default === '' ? '' : `${row.default}${unit}`;
    return `| \`${name}\` | ${preset} | ${rangeText(row)} | ${change} | ${meaning} |\n`;
  });
  return `| option | default | value | CONFIG SET | |\n|---|---|---|---|---|\n${rows.join('')}`;
}

function factTable(): string {
  const rows = facts.map(({ name, value, meaning }) => {
    const shown = value === undefined ? '' : `\`${value || '""'}\``;
    return `| \`${name}\` | ${shown} | ${meaning} |\n`;
  });
  return `| parameter | value | |\n|---|---|---|\n${rows.join('')}`;
}

function metricTable(): string {
  const rows = metricSections.flatMap(({ name: section, isExtra, metrics }) =>
    metrics.map(({ name, kind, unit, meaning }) => {
      const where = isExtra === true ? `${section} (extra)` : section;
      return `| \`${name}\` | ${where} | ${kind} | ${unit ?? ''} | ${meaning} |\n`;
    }),
  );
  return `| name | section | kind | unit | |\n|---|---|---|---|---|\n${rows.join('')}`;
}

describe('Documentation', () => {
  it('docs/commands.md lists the commands of the tables', () => {
    checkGenerated('docs/commands.md', 'commands', commandRows());
  });

  it('docs/options.md lists the options of the table', () => {
    checkGenerated('docs/options.md', 'options', optionTable());
    checkGenerated('docs/options.md', 'facts', factTable());
  });

  it('docs/metrics.md lists the metrics of the table', () => {
    checkGenerated('docs/metrics.md', 'metrics', metricTable());
  });
});
