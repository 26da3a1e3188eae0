// A deliberate bug: a patch of what was compiled, and a copy of the build that has it.
//
// The product knows nothing of this. A patch file begins with words, what the bug is and what it breaks;
// behind an empty line the differences follow, against the root of the build (`dist/`). Those in `open/` are
// not found yet: a checker or a trouble is missing.

import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import { join, resolve } from 'node:path';

/** The root of the build that this file is part of. */
const build = resolve(import.meta.dirname, '../..');
const patches = resolve(build, '../test/mutants');
const suffix = '.patch';
/** What a simulation is made of. */
const parts = ['raft', 'resp', 'sqlite-sm', 'src', 'test'] as const;

export interface Mutant {
  readonly name: string;
  /** What the bug is. */
  readonly text: string;
  readonly path: string;
  /** The simulator does not find it yet. */
  readonly isOpen: boolean;
}

export function allMutants(): readonly Mutant[] {
  return [...mutantsIn(patches, false), ...mutantsIn(join(patches, 'open'), true)];
}

function mutantsIn(directory: string, isOpen: boolean): readonly Mutant[] {
  return fs
    .readdirSync(directory)
    .filter((name) => name.endsWith(suffix))
    .toSorted()
    .map((name) => {
      const path = join(directory, name);
      const [text] = fs.readFileSync(path, 'utf8').split('\n\n') as [string];
      return {
        name: name.slice(0, -suffix.length),
        text: text.replaceAll('\n', ' '),
        path,
        isOpen,
      };
    });
}

/** Copies the build to `directory`, which does not exist yet. It runs from there. */
export function copyBuild(directory: string): void {
  for (const part of parts) {
    fs.cpSync(join(build, part), join(directory, 'dist', part), { recursive: true });
  }
  fs.copyFileSync(resolve(build, '../package.json'), join(directory, 'package.json'));
  fs.symlinkSync(resolve(build, '../node_modules'), join(directory, 'node_modules'));
}

/** Puts the bug into a copy of the build. Throws what `git apply` says when it does not fit any more. */
export function plant({ name, path }: Mutant, directory: string): void {
  git(name, ['apply', path], directory);
}

/** Takes it out again. */
export function uproot({ name, path }: Mutant, directory: string): void {
  git(name, ['apply', '--reverse', path], directory);
}

/** The files that a patch changes, as paths below the build. */
export function filesOf({ name, path }: Mutant): readonly string[] {
  const lines = git(name, ['apply', '--numstat', path], build).trim().split('\n');
  return lines.map((line) => line.split('\t')[2]!);
}

function git(name: string, args: readonly string[], directory: string): string {
  const { status, stdout, stderr, error } = spawnSync('git', args, {
    cwd: join(directory, directory === build ? '' : 'dist'),
    // A repository around the directory would make git look there.
    env: {
      ...process.env,
      GIT_CEILING_DIRECTORIES: resolve(directory, '../..'),
      GIT_DIR: '/dev/null',
    },
    encoding: 'utf8',
  });
  if (error !== undefined) throw error;
  if (status === 0) return stdout;
  throw new Error(`The patch of the variant "${name}" does not fit the build:\n${stderr}`);
}
