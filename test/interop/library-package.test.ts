// `holt/raft` in a project of somebody else: what of the package is needed, and no more.
//
// The project has nothing but the package's `package.json` and `dist/raft`. There is no SQLite to be
// found from there, so an import of it, however deep, would fail.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import { join, resolve } from 'node:path';
import { freeBasePorts } from './free-ports.js';
import { runProgram } from './run-program.js';

const root = resolve(import.meta.dirname, '../../..');

/** A program of one replica: typed, founded, opened, counted, stopped. */
const program = `
import { strict as assert } from 'node:assert';
import fs from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import {
  foundCluster,
  type NotLeaderError,
  openRaft,
  type Raft,
  type ReplicatedCommand,
  type ReplicatedStateMachine,
} from 'holt/raft';

class Sum implements ReplicatedStateMachine<bigint> {
  #sum = 0n;

  async apply(commands: readonly ReplicatedCommand[]): Promise<bigint[]> {
    return commands.map(({ data }) => (this.#sum += BigInt(data.toString())));
  }

  async writeSnapshot(directory: string): Promise<void> {
    await fs.writeFile(join(directory, 'sum'), String(this.#sum));
  }

  async readSnapshot(directory: string): Promise<void> {
    this.#sum = BigInt(await fs.readFile(join(directory, 'sum'), 'utf8'));
  }
}

const [directory, port] = process.argv.slice(2);
foundCluster([{ directory: directory!, host: '127.0.0.1', port: Number(port) }]);
let serve!: () => void;
const serving = new Promise<void>((resolve) => {
  serve = resolve;
});
const raft: Raft<bigint> = await openRaft({
  directory: directory!,
  machine: new Sum(),
  events: {
    onFatal: (error: Error) => assert.fail(error),
    onLeadershipChange: ({ isServing }) => isServing && serve(),
  },
});
await serving;
const sums: bigint[] = await Promise.all([1, 2, 3].map((n) => raft.replicate(Buffer.from(\`\${n}\`))));
await raft.read();
await raft.stop();
const error = (await raft.read().catch((reason) => reason)) as NotLeaderError | { code: string };
const loaded = Object.keys(createRequire(import.meta.url).cache);
const { sharedObjects } = process.report!.getReport() as unknown as { sharedObjects: string[] };
console.log(
  JSON.stringify({
    sums: sums.map(String),
    code: error.code,
    sqlite: [...loaded, ...sharedObjects].filter((path) => /sqlite/.test(path)),
  }),
);
`;

const project = {
  name: 'somebody-else',
  private: true,
  type: 'module',
};

const compilerOptions = {
  module: 'nodenext',
  target: 'es2023',
  lib: ['es2023'],
  types: ['node'],
  strict: true,
  skipLibCheck: false,
};

describe('holt/raft in another project', () => {
  let directory: string;

  before(() => {
    directory = fs.mkdtempSync(join(os.tmpdir(), 'holt-package-'));
    const installed = join(directory, 'node_modules/holt');
    fs.mkdirSync(join(installed, 'dist'), { recursive: true });
    fs.copyFileSync(join(root, 'package.json'), join(installed, 'package.json'));
    fs.cpSync(join(root, 'dist/raft'), join(installed, 'dist/raft'), { recursive: true });
    for (const name of ['@types/node', 'undici-types']) {
      const target = join(directory, 'node_modules', name);
      fs.mkdirSync(join(target, '..'), { recursive: true });
      fs.symlinkSync(join(root, 'node_modules', name), target);
    }
    fs.writeFileSync(join(directory, 'package.json'), JSON.stringify(project));
    fs.writeFileSync(join(directory, 'tsconfig.json'), JSON.stringify({ compilerOptions }));
    fs.writeFileSync(join(directory, 'main.ts'), program);
  });
  after(() => fs.rmSync(directory, { recursive: true, force: true }));

  it('has types, and runs without SQLite', async () => {
    const compiler = join(root, 'node_modules/typescript/bin/tsc');
    const compiled = await runProgram(process.execPath, [compiler, '-p', directory]);
    assert.equal(compiled.code, 0, compiled.stdout);
    const [port] = await freeBasePorts(1);
    const main = join(directory, 'main.js');
    const ran = await runProgram(process.execPath, [main, join(directory, 'data'), `${port}`]);
    assert.equal(ran.code, 0, ran.stderr);
    assert.deepEqual(JSON.parse(ran.stdout), {
      sums: ['1', '3', '6'],
      code: 'STOPPED',
      sqlite: [],
    });
  });
});
