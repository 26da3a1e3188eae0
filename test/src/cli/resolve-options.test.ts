import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import { join } from 'node:path';
import yargs from 'yargs';
import { commandLineOptions, resolveOptions } from '../../../src/cli/resolve-options.js';
import { fieldOf, optionRows, type ServerOptions, variableOf } from '../../../src/options.js';

describe('Options of a server', () => {
  let directory: string;

  before(() => {
    directory = fs.mkdtempSync(join(os.tmpdir(), 'holt-options-'));
  });
  after(() => fs.rmSync(directory, { recursive: true }));

  function written(name: string, text: string): string {
    const path = join(directory, name);
    fs.writeFileSync(path, text);
    return path;
  }

  function resolve(
    commandLine: readonly string[] = [],
    environment: Record<string, string> = {},
  ): ServerOptions {
    const args = yargs([...commandLine])
      .options(commandLineOptions())
      .strict()
      .exitProcess(false);
    return resolveOptions(args.parseSync(), { HOLT_DIR: directory, ...environment });
  }

  /** A value that is not the default, as it is written, and as it is meant. */
  function another(name: string): readonly [string, string | number] {
    const row = optionRows.get(name)!;
    if (row.type === 'choice') {
      const choice = row.choices!.find((candidate) => candidate !== row.default)!;
      return [choice, choice];
    }
    if (row.type === 'text') return ['another', 'another'];
    if (name === 'heartbeat-period-ms') return ['50', 50];
    return [String(row.max), row.max!];
  }

  const names = [...optionRows.keys()].filter((name) => !name.endsWith('-file'));

  it('are the defaults of the table when nothing gives them', () => {
    const options = resolve();
    for (const [name, row] of optionRows) {
      if (name !== 'dir') assert.equal(options[fieldOf(name)], row.default, name);
    }
  });

  it('each comes from the command line, secrets excepted', () => {
    for (const name of names) {
      const [text, value] = another(name);
      if (optionRows.get(name)!.isSecret === true) {
        assert(!Object.hasOwn(commandLineOptions(), name), name);
      } else assert.equal(resolve([`--${name}`, text])[fieldOf(name)], value, name);
    }
  });

  it('each comes from its variable', () => {
    for (const name of names) {
      const [text, value] = another(name);
      assert.equal(resolve([], { [variableOf(name)]: text })[fieldOf(name)], value, name);
    }
  });

  it('each comes from a config file', () => {
    for (const name of names) {
      const [text, value] = another(name);
      const config = written('holt.conf', `${name} ${text}\n`);
      const resolved = resolveOptions({ config, ...(name !== 'dir' && { dir: directory }) }, {});
      assert.equal(resolved[fieldOf(name)], value, name);
    }
  });

  it('command line before variable before config file', () => {
    const config = written('holt.conf', 'timeout 1\nmaxclients 1\nslowlog-max-len 1\n');
    const environment = { HOLT_CONFIG: config, HOLT_TIMEOUT: '2', HOLT_MAXCLIENTS: '2' };
    const options = resolve(['--timeout', '3'], environment);
    assert.deepEqual([options.timeout, options.maxclients, options.slowlogMaxLen], [3, 2, 1]);
  });

  it('a secret is given itself or as a file, by whichever comes first', () => {
    const file = written('password', 'from file\nsecond line\n');
    const config = written('holt.conf', 'requirepass "from config"\n');
    assert.equal(resolve(['--requirepass-file', file]).requirepass, 'from file');
    assert.equal(
      resolve(['--requirepass-file', file], { HOLT_REQUIREPASS: 'variable' }).requirepass,
      'from file',
    );
    assert.equal(
      resolve(['--config', config], { HOLT_REQUIREPASS_FILE: file }).requirepass,
      'from file',
    );
    const both = { HOLT_REQUIREPASS: 'variable', HOLT_REQUIREPASS_FILE: file };
    assert.equal(resolve(['--config', config], both).requirepass, 'variable');
    assert.equal(resolve(['--config', config]).requirepass, 'from config');
    assert.throws(() => resolve(['--requirepass-file', '/nonexistent/password']), {
      message: /^Cannot read "\/nonexistent\/password" \(--requirepass-file\): ENOENT/,
    });
  });

  it('the bus secret of the directory counts when no other is given', () => {
    written('bus-secret', 'own\n');
    assert.equal(resolve().busSecret, 'own');
    assert.equal(resolve([], { HOLT_BUS_SECRET: 'given' }).busSecret, 'given');
    fs.rmSync(join(directory, 'bus-secret'));
  });

  it('one that is wrong is refused with where it is from, its value and its range', () => {
    const config = written('holt.conf', 'log-level loud\n');
    const cases: [() => unknown, string][] = [
      [
        () => resolve(['--maxclients', '0']),
        'Option --maxclients is "0", expected an integer from 1 to 1000000',
      ],
      [
        () => resolve([], { HOLT_ELECTION_TIMEOUT_MS: 'soon' }),
        'Option HOLT_ELECTION_TIMEOUT_MS is "soon", expected an integer from 100 to 60000',
      ],
      [
        () => resolve(['--config', config]),
        `Option log-level in ${config} is "loud", expected one of debug, info, warn, error`,
      ],
      [
        () => resolve(['--max-segment-file-size', '1kb']),
        'Option --max-segment-file-size is "1kb", expected a size from 1048576 to 1073741824 bytes',
      ],
      [
        () => resolve(['--heartbeat-period-ms', '400']),
        'Option heartbeat-period-ms is "400", expected an integer from 10 to 333, a third of ' +
          'election-timeout-ms',
      ],
      [
        () => resolveOptions({}, {}),
        "Option dir is missing: The server's directory, as made by `holt init`",
      ],
    ];
    for (const [run, message] of cases) assert.throws(run, { name: 'DirectoryError', message });
  });

  it('variables that are no options are left alone', () => {
    assert.doesNotThrow(() => resolve([], { HOLT_SEEDS: '7', HOLT_REWRITE: '1' }));
  });
});
