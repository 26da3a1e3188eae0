import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import { join } from 'node:path';
import { MachineBridge } from '../../../raft/embedding/machine-bridge.js';
import { commandRoom, writeCommand } from '../../../raft/embedding/replicated-commands.js';
import type {
  ReplicatedCommand,
  ReplicatedStateMachine,
} from '../../../raft/embedding/state-machine.js';
import { nodeFiles } from '../../../raft/node-files.js';
import type { CommittedEntry } from '../../../raft/state-machine.js';

/** A command entry with these texts. */
function entryOf(index: number, ...texts: string[]): CommittedEntry {
  const commands = texts.map((text) => Buffer.from(text));
  const payload = Buffer.alloc(commands.reduce((sum, data) => sum + commandRoom(data), 0));
  let offset = 0;
  for (const data of commands) {
    writeCommand(payload, offset, data);
    offset += commandRoom(data);
  }
  return { index, term: 1, kind: 'command', stamp: 1000 + index, payload };
}

function noop(index: number): CommittedEntry {
  return { index, term: 1, kind: 'noop', stamp: 1000 + index, payload: Buffer.alloc(0) };
}

type Apply = ReplicatedStateMachine<string>['apply'];

/** A bridge to `apply`, and everything it said. */
function bridgeTo(apply: Apply, snapshots: Partial<ReplicatedStateMachine<string>> = {}) {
  const said: string[] = [];
  const unexpected = (): void => assert.fail('No snapshot was expected');
  const bridge = new MachineBridge<string>(
    { apply, writeSnapshot: unexpected, readSnapshot: unexpected, ...snapshots },
    nodeFiles,
  );
  bridge.start({
    onResult: (context, result) => said.push(`${context}=${result}`),
    onIdle: () => said.push('idle'),
    onFailed: (error) => said.push(`failed: ${error.message}`),
  });
  return { bridge, said };
}

/** An `apply` whose promises the test settles. */
class SlowMachine {
  readonly applied: string[] = [];
  readonly #settle: ((error?: Error) => void)[] = [];

  readonly apply = (commands: readonly ReplicatedCommand[]): Promise<readonly string[]> => {
    const texts = commands.map(({ data }) => data.toString());
    this.applied.push(...texts);
    return new Promise((resolve, reject) => {
      this.#settle.push((error) => (error === undefined ? resolve(texts) : reject(error)));
    });
  };

  /** Settles the oldest call and lets everything that follows from it happen. */
  async finish(error?: Error): Promise<void> {
    this.#settle.shift()!(error);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

describe('MachineBridge', () => {
  it('gives results back by position', () => {
    const { bridge, said } = bridgeTo((commands) => commands.map(({ data }) => `<${data}>`));
    bridge.apply(entryOf(1, 'x', 'y'), ['a', 'b']);
    assert.deepEqual(said, ['a=<x>', 'b=<y>']);
  });

  it('applies what others proposed, with nobody to answer', () => {
    const applied: ReplicatedCommand[] = [];
    const { bridge, said } = bridgeTo((commands) => {
      applied.push(...commands);
      return commands.map(() => '');
    });
    bridge.apply(entryOf(7, 'x', 'y'), undefined);
    assert.deepEqual(applied, [
      { data: Buffer.from('x'), stamp: 1007, index: 7 },
      { data: Buffer.from('y'), stamp: 1007, index: 7 },
    ]);
    assert.deepEqual(said, []);
    assert.equal(bridge.appliedIndex, 7);
    assert.equal(bridge.lastStamp, 1007);
  });

  it('counts a no-op without asking the machine', () => {
    const { bridge } = bridgeTo(() => assert.fail('The machine was asked'));
    bridge.apply(noop(3), undefined);
    assert.equal(bridge.appliedIndex, 3);
    assert.equal(bridge.lastStamp, 1003);
  });

  it('is busy, and not further than it was, until a promise is kept', async () => {
    const machine = new SlowMachine();
    const { bridge, said } = bridgeTo(machine.apply);
    bridge.apply(entryOf(1, 'x'), ['a']);
    assert.equal(bridge.isBusy, true);
    assert.equal(bridge.appliedIndex, 0);
    await machine.finish();
    assert.equal(bridge.isBusy, false);
    assert.equal(bridge.appliedIndex, 1);
    assert.deepEqual(said, ['a=x', 'idle']);
  });

  it('keeps entries that come while it is busy, in their order', async () => {
    const machine = new SlowMachine();
    const { bridge, said } = bridgeTo(machine.apply);
    bridge.apply(entryOf(1, 'x'), ['a']);
    bridge.apply(noop(2), undefined);
    bridge.apply(entryOf(3, 'y'), ['b']);
    assert.deepEqual(machine.applied, ['x']);
    let isIdle = false;
    void bridge.whenIdle().then(() => {
      isIdle = true;
    });
    await machine.finish();
    assert.deepEqual(machine.applied, ['x', 'y']);
    assert.equal(bridge.appliedIndex, 2);
    assert.equal(isIdle, false);
    await machine.finish();
    assert.equal(bridge.appliedIndex, 3);
    assert.equal(isIdle, true);
    assert.deepEqual(said, ['a=x', 'b=y', 'idle']);
  });

  it('lets an exception through to the loop, which ends the replica', () => {
    const { bridge } = bridgeTo(() => {
      throw new Error('a mistake');
    });
    assert.throws(() => bridge.apply(entryOf(1, 'x'), ['a']), /a mistake/);
    assert.equal(bridge.appliedIndex, 0);
  });

  it('reports a broken promise and applies nothing behind it', async () => {
    const machine = new SlowMachine();
    const { bridge, said } = bridgeTo(machine.apply);
    bridge.apply(entryOf(1, 'x'), ['a']);
    bridge.apply(entryOf(2, 'y'), ['b']);
    await machine.finish(new Error('a mistake'));
    assert.deepEqual(machine.applied, ['x']);
    assert.equal(bridge.appliedIndex, 0);
    assert.equal(said[0], 'failed: a mistake');
    await bridge.whenIdle();
  });

  it('takes a wrong number of results for a mistake', async () => {
    const one = bridgeTo(() => ['only one']);
    assert.throws(() => one.bridge.apply(entryOf(1, 'x', 'y'), ['a', 'b']), /1 results for 2/);
    const late = bridgeTo(() => Promise.resolve(['only one']));
    late.bridge.apply(entryOf(1, 'x', 'y'), ['a', 'b']);
    await late.bridge.whenIdle();
    assert.equal(late.said[0], 'failed: apply returned 1 results for 2 commands');
  });
});

describe('MachineBridge: snapshots', () => {
  let directory: string;

  beforeEach(() => {
    directory = fs.mkdtempSync(join(os.tmpdir(), 'holt-bridge-'));
  });
  afterEach(() => fs.rmSync(directory, { recursive: true, force: true }));

  type Written = Parameters<Parameters<MachineBridge<string>['writeSnapshot']>[1]>;

  function write(bridge: MachineBridge<string>): Promise<Written> {
    return new Promise((resolve) => {
      bridge.writeSnapshot(directory, (...result) => resolve(result));
    });
  }

  function read(bridge: MachineBridge<string>): Promise<Error | undefined> {
    return new Promise((resolve) => bridge.readSnapshot(directory, resolve));
  }

  it('say up to where the state is, to whoever reads them', async () => {
    const paths: string[] = [];
    const snapshots = {
      writeSnapshot: (path: string) => void paths.push(`written ${path}`),
      readSnapshot: (path: string) => void paths.push(`read ${path}`),
    };
    const source = bridgeTo(() => [''], snapshots);
    source.bridge.apply(entryOf(5, 'x'), undefined);
    assert.deepEqual(await write(source.bridge), [undefined, { index: 5, term: 1, stamp: 1005 }]);
    const target = bridgeTo(() => [''], snapshots);
    target.bridge.apply(entryOf(2, 'y'), undefined);
    assert.equal(await read(target.bridge), undefined);
    assert.equal(target.bridge.appliedIndex, 5);
    assert.equal(target.bridge.lastStamp, 1005);
    assert.deepEqual(paths, [`written ${directory}`, `read ${directory}`]);
  });

  it('are of the moment when they were begun, though entries are applied meanwhile', async () => {
    let finish!: () => void;
    const state: string[] = [];
    let copy: string[] = [];
    const { bridge } = bridgeTo(
      (commands) => {
        state.push(...commands.map(({ data }) => data.toString()));
        return commands.map(() => '');
      },
      {
        writeSnapshot: () => {
          copy = [...state];
          return new Promise((resolve) => {
            finish = resolve;
          });
        },
      },
    );
    bridge.apply(entryOf(1, 'x'), undefined);
    const written = write(bridge);
    await new Promise((resolve) => setImmediate(resolve));
    bridge.apply(entryOf(2, 'y'), undefined);
    finish();
    const [error, at] = await written;
    assert.equal(error, undefined);
    assert.equal(at!.index, 1);
    assert.deepEqual(copy, ['x']);
    assert.equal(bridge.appliedIndex, 2);
  });

  it('wait for what is half applied', async () => {
    const machine = new SlowMachine();
    const begun: number[] = [];
    const { bridge } = bridgeTo(machine.apply, {
      writeSnapshot: () => void begun.push(bridge.appliedIndex),
    });
    bridge.apply(entryOf(1, 'x'), undefined);
    bridge.apply(entryOf(2, 'y'), undefined);
    const written = write(bridge);
    await machine.finish();
    assert.deepEqual(begun, []);
    await machine.finish();
    assert.deepEqual(begun, [2]);
    assert.equal((await written)[1]!.index, 2);
  });

  it('that fail say why, and change nothing', async () => {
    const fail = (): void => {
      throw new Error('a mistake');
    };
    const { bridge } = bridgeTo(() => [''], { writeSnapshot: fail, readSnapshot: fail });
    bridge.apply(entryOf(1, 'x'), undefined);
    const [error, at] = await write(bridge);
    assert.equal(error!.message, 'a mistake');
    assert.equal(at, undefined);
    assert.match((await read(bridge))!.message, /applied\.json" is missing/);
    fs.writeFileSync(join(directory, 'applied.json'), '{"index":9,"term":1,"stamp":1}');
    assert.equal((await read(bridge))!.message, 'a mistake');
    assert.equal(bridge.appliedIndex, 1);
  });
});
