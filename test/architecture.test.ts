// The repository tests its own structure: what may import what, what may reach for effects, and
// that nothing is left lying about. Each failure says what to do instead.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { dataCommands } from '../sqlite-sm/index.js';
import { serverCommands } from '../src/client/commands/index.js';
import { serverOptionTable } from '../src/options.js';

const root = resolve(import.meta.dirname, '../..');
const sourceFolders = ['resp', 'raft', 'sqlite-sm', 'src', 'cluster-scripts', 'examples', 'bench'];
/** Entered through their `index.ts`. */
const guardedFolders = [
  'resp',
  'raft',
  'raft/core',
  'raft/embedding',
  'raft/log',
  'raft/net',
  'sqlite-sm',
];

interface SourceFile {
  /** From the root, with forward slashes. */
  readonly path: string;
  readonly text: string;
  /** Without comments. */
  readonly code: string;
  /** Repository files and packages, as resolved. */
  readonly imports: readonly string[];
}

const files = [...sourceFolders, 'test'].flatMap((folder) => read(join(root, folder)));
const sources = files.filter((file) => !file.path.startsWith('test/'));

function read(folder: string): SourceFile[] {
  return fs
    .readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => {
      const path = relative(root, join(folder, name));
      const text = fs.readFileSync(join(folder, name), 'utf8');
      const code = text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/^\s*\/\/.*$/gm, '');
      const imports = [...code.matchAll(/(?:from|import)\s+'([^']+)'/g)].map(([, target]) =>
        target!.startsWith('.')
          ? relative(root, resolve(root, dirname(path), target!)).replace(/\.js$/, '.ts')
          : target!,
      );
      return { path, text, code, imports };
    });
}

/** `raft/core/core.ts` is in `raft/core` and in `raft`. */
function isIn(path: string, folder: string): boolean {
  return path.startsWith(`${folder}/`);
}

/** What a folder may import besides itself; the first rule that fits a file counts. */
const layers: readonly { readonly folder: string; readonly may: readonly RegExp[] }[] = [
  { folder: 'resp', may: [/^redis-parser$/, /^node:(assert|buffer)/] },
  { folder: 'raft/core', may: [/^node:assert/] },
  { folder: 'raft/log', may: [/^raft\//, /^node:(assert|path|zlib)/] },
  { folder: 'raft/net', may: [/^raft\//, /^node:(assert|crypto|zlib)/] },
  { folder: 'raft/embedding', may: [/^raft\//, /^node:(assert|path)/] },
  { folder: 'raft', may: [/^raft\//, /^node:/] },
  {
    folder: 'sqlite-sm',
    may: [/^resp\/index\.ts$/, /^better-sqlite3$/, /^node:(assert|buffer|crypto|zlib)/],
  },
  {
    folder: 'src',
    may: [
      /^(resp|raft|sqlite-sm)\/index\.ts$/,
      /^(pino|yargs|yargs\/helpers|better-sqlite3|redis-parser)$/,
      /^node:/,
    ],
  },
  { folder: 'cluster-scripts', may: [/^resp\/index\.ts$/, /^(yargs.*|redis-parser)$/, /^node:/] },
  { folder: 'examples', may: [/^ioredis$/, /^holt\/raft$/, /^node:/] },
  {
    folder: 'bench',
    may: [
      /^(resp|raft|sqlite-sm)\/index\.ts$/,
      /^cluster-scripts\/(?!main)/,
      /^(yargs.*|redis-parser)$/,
      /^node:/,
    ],
  },
];

describe('Architecture', () => {
  it('imports point down only', () => {
    for (const { path, imports } of sources) {
      const layer = layers.find(({ folder }) => isIn(path, folder));
      assert(layer, `${path} is in no known folder: give it a layer in this test`);
      for (const target of imports) {
        const isAllowed =
          isIn(target, layer.folder) || layer.may.some((pattern) => pattern.test(target));
        assert(
          isAllowed,
          `${path} imports ${target}, which ${layer.folder}/ may not: hand it in from above, or ` +
            'declare the interface that is needed where it is used',
        );
      }
    }
  });

  it('a folder is entered through its index', () => {
    for (const { path, imports } of sources) {
      for (const target of imports) {
        for (const folder of guardedFolders) {
          if (!isIn(target, folder) || isIn(path, folder)) continue;
          assert.equal(
            target.replace(/.*\//, ''),
            'index.ts',
            `${path} reaches into ${folder}/ for ${target}: import ${folder}/index.js`,
          );
          break;
        }
      }
    }
  });

  it('imports form no circle', () => {
    const byPath = new Map(sources.map((file) => [file.path, file]));
    const done = new Set<string>();
    const visit = (path: string, trail: readonly string[]): void => {
      assert(!trail.includes(path), `Circle: ${[...trail, path].join(' → ')}`);
      if (done.has(path)) return;
      for (const target of byPath.get(path)?.imports ?? []) {
        if (byPath.has(target)) visit(target, [...trail, path]);
      }
      done.add(path);
    };
    for (const { path } of sources) visit(path, []);
  });

  it('raft and sqlite-sm are handed their effects', () => {
    const effects =
      /from 'node:(fs|net|timers)|\b(Date|performance)\b[.(]|new Date\b|Math\.random|\bset(Timeout|Interval|Immediate)\(|\bprocess\./;
    for (const { path, code } of sources) {
      if (!isIn(path, 'raft') && !isIn(path, 'sqlite-sm')) continue;
      if (path === 'raft/node-effects.ts' || path === 'raft/node-files.ts') continue;
      const found = effects.exec(code);
      assert.equal(found, null, `${path} reaches for ${found?.[0]}: take it from the constructor`);
    }
  });

  it('packages are entered in few places', () => {
    for (const [name, most] of [
      ['better-sqlite3', 2],
      ['redis-parser', 4],
      ['pino', 3],
    ] as const) {
      const importers = sources.filter(({ imports }) => imports.includes(name));
      assert(importers.length <= most, `${name} is imported by ${importers.map((f) => f.path)}`);
    }
  });

  it('nothing is left lying about', () => {
    for (const { path, text, code } of files) {
      if (path === 'test/architecture.test.ts') continue;
      assert.doesNotMatch(
        text,
        /\b(FIXME|TODO|XXX)\b/,
        `${path}: do it, or write it down elsewhere`,
      );
      assert.doesNotMatch(code, /\bdebugger\b|\b(it|describe)\.(only|skip)\b/, path);
      if (
        isIn(path, 'raft') ||
        isIn(path, 'sqlite-sm') ||
        isIn(path, 'resp') ||
        isIn(path, 'src')
      ) {
        assert.doesNotMatch(code, /\bconsole\./, `${path}: log through what is handed in`);
      }
      assert.doesNotMatch(code, /\bcatch\s*(\([^)]*\)\s*)?\{\s*\}/, `${path} swallows an error`);
      assert.doesNotMatch(
        path,
        /(^|\/)(utils?|helpers?|common|misc)\.ts$/,
        `${path}: name the file after what it holds`,
      );
    }
  });

  it('every source file is used', () => {
    const imported = new Set(files.flatMap(({ imports }) => imports));
    const entries =
      /^(src\/main|cluster-scripts\/main|bench\/(?:group\/)?main|examples\/.*|bench\/.*\.bench|.*\/index)\.ts$/;
    for (const { path } of sources) {
      assert(imported.has(path) || entries.test(path), `Nobody imports ${path}: delete it`);
    }
  });

  it('every command has a test', () => {
    const tests = files.filter(({ path }) => path.endsWith('.test.ts')).map(({ text }) => text);
    const all = tests.join('\n').toLowerCase();
    for (const { name } of [...dataCommands, ...serverCommands]) {
      const words = name.replace('|', `(?:', '| )`);
      assert.match(all, new RegExp(`['"\`\\s]${words}['"\`\\s]`), `No test names ${name}`);
    }
  });

  it('every option is in docs/options.md', () => {
    const page = fs.readFileSync(join(root, 'docs/options.md'), 'utf8');
    for (const name of Object.keys(serverOptionTable)) {
      assert(page.includes(`\`${name}\``), `docs/options.md lacks the option ${name}`);
    }
  });

  it('every command is in docs/commands.md', () => {
    const page = fs.readFileSync(join(root, 'docs/commands.md'), 'utf8');
    for (const { name } of [...dataCommands, ...serverCommands]) {
      assert(
        page.includes(`\`${name.replace('|', ' ').toUpperCase()}\``),
        `docs/commands.md lacks ${name}`,
      );
    }
  });
});
