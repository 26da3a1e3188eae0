// Configuration files: an option a line, `name value`, as in redis.conf.
//
//   # who may connect
//   bind 10.0.0.1
//   requirepass "with blanks and \x22quotes\x22"

import fs from 'node:fs';
import { splitInlineCommand } from '../../resp/index.js';
import { DirectoryError } from '../identity.js';
import { optionRows } from '../options.js';

/** What a file gives, as it is written there. Throws `DirectoryError` with the file and the line. */
export function readConfigFile(path: string): Map<string, string> {
  let text: string;
  try {
    text = fs.readFileSync(path, 'utf8');
  } catch (cause) {
    throw new DirectoryError(`Cannot read the config file "${path}": ${(cause as Error).message}`, {
      cause,
    });
  }
  return parseConfig(text, path);
}

/** Later lines win, as in Redis. */
export function parseConfig(text: string, path: string): Map<string, string> {
  const given = new Map<string, string>();
  for (const [at, line] of text.split('\n').entries()) {
    const trimmed = line.trim();
    if (trimmed === '' || trimmed.startsWith('#')) continue;
    const where = `${path}:${at + 1}`;
    const words = splitInlineCommand(Buffer.from(trimmed))?.map((word) => word.toString());
    if (words === undefined) throw new DirectoryError(`${where}: unbalanced quotes`);
    const name = words[0]!.toLowerCase();
    const row = optionRows.get(name);
    if (row === undefined) {
      throw new DirectoryError(`${where}: there is no option "${words[0]}"`);
    }
    if (words.length < 2 || (words.length > 2 && row.isList !== true)) {
      throw new DirectoryError(`${where}: expected \`${name} value\`, quoted if it has blanks`);
    }
    given.set(name, words.slice(1).join(' '));
  }
  return given;
}
