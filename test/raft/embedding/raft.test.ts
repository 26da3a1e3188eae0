// The embedder's face on real sockets and files, three replicas in one process or one alone.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import { join } from 'node:path';
import type { FileHandle, Files } from '../../../raft/index.js';
import {
  adoptDirectory,
  BusyError,
  NotLeaderError,
  nodeEffects,
  nodeFiles,
  openRaft,
  RaftError,
  SetupError,
  StoppedError,
  UncertainError,
} from '../../../raft/index.js';
import { eventually } from '../../interop/eventually.js';
import {
  EmbeddedCluster,
  type EmbeddedReplica,
  ListMachine,
  type OpenOptions,
} from './embedded-cluster.js';

const MiB = 1024 * 1024;
const deadlineMs = 20_000;

let cluster: EmbeddedCluster;

/** Founded and open, with a leader. */
async function openCluster(count: number, options: OpenOptions = {}): Promise<EmbeddedReplica> {
  cluster = await EmbeddedCluster.found(count);
  await cluster.open(options);
  return cluster.leader();
}

function replicate(replica: EmbeddedReplica, text: string): Promise<number> {
  return replica.raft.replicate(Buffer.from(text));
}

/** A promise that a test keeps. */
function gate(): { readonly opened: Promise<void>; open(): void } {
  let open!: () => void;
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { opened, open };
}

/** Files whose log can no longer be written from some moment on. */
function breakableFiles(): { readonly files: Files; break(): void } {
  let isBroken = false;
  const wrap = (file: FileHandle): FileHandle => ({
    readSync: (target, position) => file.readSync(target, position),
    read: (target, position, done) => file.read(target, position, done),
    writeSync: (source, position) => file.writeSync(source, position),
    write: (sources, position, done) => {
      if (isBroken) setImmediate(() => done(new Error('EIO: the disk is gone')));
      else file.write(sources, position, done);
    },
    syncSync: () => file.syncSync(),
    sync: (done) => file.sync(done),
    closeSync: () => file.closeSync(),
  });
  const files: Files = { ...nodeFiles, open: (path, mode) => wrap(nodeFiles.open(path, mode)) };
  return {
    files,
    break: () => {
      isBroken = true;
    },
  };
}

describe('Raft', () => {
  afterEach(() => cluster.dispose());

  describe('replicate', () => {
    it('answers each command with its own result, and all replicas apply the same', async () => {
      const leader = await openCluster(3);
      const texts = Array.from({ length: 200 }, (_, at) => `text ${at}`);
      const results = await Promise.all(texts.map((text) => replicate(leader, text)));
      assert.deepEqual(
        results,
        texts.map((_, at) => at + 1),
      );
      await cluster.converged('text 199');
      assert.deepEqual(leader.machine.texts, texts);
      for (const { machine } of cluster.replicas) {
        assert.deepEqual(machine.stamps, leader.machine.stamps);
      }
    });

    it('takes an empty command, and one larger than an entry', async () => {
      const leader = await openCluster(1);
      const large = 'x'.repeat(MiB);
      const results = await Promise.all(['', large, 'last'].map((text) => replicate(leader, text)));
      assert.deepEqual(results, [1, 2, 3]);
      assert.deepEqual(leader.machine.texts, ['', large, 'last']);
    });

    it('copies the data at once', async () => {
      const leader = await openCluster(1);
      const data = Buffer.from('before');
      const result = leader.raft.replicate(data);
      data.fill('!');
      await result;
      assert.deepEqual(leader.machine.texts, ['before']);
    });

    it('is refused by a follower, which names the leader', async () => {
      const leader = await openCluster(3);
      const [follower] = await cluster.followers();
      await eventually('the follower knows the leader', deadlineMs, () => {
        return follower!.raft.status().leader !== undefined;
      });
      await assert.rejects(replicate(follower!, 'lost'), (error) => {
        assert(error instanceof NotLeaderError);
        assert.equal(error.code, 'NOT_LEADER');
        assert.deepEqual(error.leader, leader.raft.self);
        return true;
      });
      await replicate(leader, 'kept');
      await cluster.converged('kept');
      assert.deepEqual(leader.machine.texts, ['kept']);
    });

    it('is uncertain when the majority is gone before it answered', async () => {
      const options = { electionTimeoutMilliseconds: 800 };
      const leader = await openCluster(3, { options });
      // The leader notices after an election timeout that it is alone.
      for (const follower of await cluster.followers()) await follower.stop();
      await Promise.all([
        assert.rejects(replicate(leader, 'who knows'), UncertainError),
        assert.rejects(leader.raft.read(), NotLeaderError),
      ]);
      assert.equal(leader.raft.status().pendingBytes, 0);
      await assert.rejects(replicate(leader, 'nobody leads'), (error) => {
        return error instanceof NotLeaderError && error.leader === undefined;
      });
    });

    it('is refused while too much is under way', async () => {
      const leader = await openCluster(1);
      const first = leader.raft.replicate(Buffer.alloc(33 * MiB));
      await assert.rejects(leader.raft.replicate(Buffer.alloc(33 * MiB)), BusyError);
      await first;
      assert.equal(leader.raft.status().pendingBytes, 0);
      await replicate(leader, 'room again');
      assert.equal(leader.machine.texts.length, 2);
    });
  });

  describe('read', () => {
    it('waits until the state has everything that was acknowledged before', async () => {
      const leader = await openCluster(3);
      for (let at = 1; at <= 50; at += 1) {
        await replicate(leader, `text ${at}`);
        await leader.raft.read();
        assert.equal(leader.machine.texts.length, at);
      }
    });

    it('is answered by followers, as new as by the leader', async () => {
      const leader = await openCluster(3);
      const followers = await cluster.followers();
      for (let at = 1; at <= 20; at += 1) {
        await replicate(leader, `text ${at}`);
        for (const follower of followers) {
          await eventually('it answers', deadlineMs, () => follower.raft.read().then(() => true));
          assert.equal(follower.machine.texts.length, at);
        }
      }
    });

    it('waits for an apply that takes its time', async () => {
      const leader = await openCluster(1);
      const { opened, open } = gate();
      leader.machine.before = () => opened;
      const command = replicate(leader, 'slow');
      await eventually('it is committed', deadlineMs, () => {
        const { commitIndex, appliedIndex } = leader.raft.status();
        return commitIndex > appliedIndex;
      });
      let isReadable = false;
      const read = leader.raft.read().then(() => {
        isReadable = true;
      });
      await new Promise((resolve) => setTimeout(resolve, 50));
      assert.equal(isReadable, false);
      open();
      await read;
      assert.deepEqual(leader.machine.texts, ['slow']);
      assert.equal(await command, 1);
    });
  });

  describe('apply', () => {
    it('may return promises: the order stays, and nothing is applied twice', async () => {
      cluster = await EmbeddedCluster.found(3);
      const openSlow = (replica: EmbeddedReplica): Promise<void> => {
        const machine = new ListMachine();
        machine.before = () => new Promise((resolve) => setTimeout(resolve, 1));
        return replica.open({ machine });
      };
      await Promise.all(cluster.replicas.map(openSlow));
      const leader = await cluster.leader();
      const texts = Array.from({ length: 60 }, (_, at) => `text ${at}`);
      const results: Promise<number>[] = [];
      for (const text of texts) {
        results.push(replicate(leader, text));
        await new Promise((resolve) => setImmediate(resolve));
      }
      assert.deepEqual(
        await Promise.all(results),
        texts.map((_, at) => at + 1),
      );
      await cluster.converged('text 59');
      assert.deepEqual(leader.machine.texts, texts);
      // A start has many entries at hand at once.
      const [follower] = await cluster.followers();
      await follower!.stop();
      await openSlow(follower!);
      await cluster.converged('text 59');
    });

    for (const kind of ['throws', 'rejects'] as const) {
      it(`ends the replica when it ${kind}`, async () => {
        const leader = await openCluster(1);
        const mistake = new Error('a mistake');
        leader.machine.before = () => {
          if (kind === 'throws') throw mistake;
          return Promise.reject(mistake);
        };
        const command = replicate(leader, 'poison');
        await assert.rejects(command, (error) => {
          return error instanceof UncertainError && error.cause === mistake;
        });
        assert.deepEqual(leader.fatals, [mistake]);
        assert.deepEqual(leader.machine.texts, []);
        const isStopped = (error: unknown): boolean =>
          error instanceof StoppedError && error.cause === mistake;
        await assert.rejects(replicate(leader, 'late'), isStopped);
        await assert.rejects(leader.raft.read(), isStopped);
      });
    }
  });

  describe('leadership', () => {
    it('goes to whom it is handed, and everybody hears of it', async () => {
      const leader = await openCluster(3);
      const [next] = await cluster.followers();
      await replicate(leader, 'before');
      await cluster.converged('before');
      const { replicaId } = next!.raft.self;
      assert.equal(leader.raft.transferLeadership(replicaId), true);
      await eventually('the next leader serves', deadlineMs, () => next!.raft.status().isServing);
      assert.equal(await replicate(next!, 'after'), 2);
      await cluster.converged('after');
      for (const { leaders } of cluster.replicas) assert.equal(leaders.at(-1), replicaId);
    });

    it('is not handed over by a follower, nor to nobody', async () => {
      const leader = await openCluster(3);
      const [follower] = await cluster.followers();
      assert.equal(follower!.raft.transferLeadership(), false);
      assert.equal(leader.raft.transferLeadership('f'.repeat(40)), false);
    });
  });

  describe('stop and open', () => {
    it('keeps everything, applied again from the log', async () => {
      const leader = await openCluster(3);
      await Promise.all(['a', 'b', 'c'].map((text) => replicate(leader, text)));
      for (const replica of cluster.replicas) await replica.stop();
      await cluster.open();
      assert.equal(await replicate(await cluster.leader(), 'd'), 4);
      await cluster.converged('d');
      assert.deepEqual((await cluster.leader()).machine.texts, ['a', 'b', 'c', 'd']);
    });

    it('hands over when the leader stops', async () => {
      const leader = await openCluster(3);
      await replicate(leader, 'before');
      await leader.stop();
      assert.equal(await replicate(await cluster.leader(), 'after'), 2);
    });

    it('answers what was taken, also when it is applied slowly', async () => {
      const leader = await openCluster(1);
      const { opened, open } = gate();
      leader.machine.before = () => opened;
      const command = replicate(leader, 'slow');
      await eventually('it is committed', deadlineMs, () => {
        const { commitIndex, appliedIndex } = leader.raft.status();
        return commitIndex > appliedIndex;
      });
      const { raft } = leader;
      const stopped = leader.stop();
      await assert.rejects(raft.replicate(Buffer.from('late')), StoppedError);
      open();
      await stopped;
      assert.equal(await command, 1);
    });

    it('has one process per directory', async () => {
      const leader = await openCluster(1);
      const again = openRaft({
        directory: leader.directory,
        machine: new ListMachine(),
        events: { onFatal: assert.fail },
      });
      await assert.rejects(again, { code: 'EADDRINUSE' });
      await replicate(leader, 'undisturbed');
    });

    it('refuses a directory that was not set up, and one that lost its files', async () => {
      cluster = await EmbeddedCluster.found(1);
      const [replica] = cluster.replicas;
      const elsewhere = {
        directory: join(replica!.directory, 'none'),
        machine: new ListMachine(),
        events: { onFatal: assert.fail },
      };
      await assert.rejects(openRaft(elsewhere), SetupError);
      await replica!.open();
      await replica!.stop();
      fs.rmSync(join(replica!.directory, 'vote'));
      await assert.rejects(replica!.open(), (error) => {
        return error instanceof RaftError && error.code === 'MISSING';
      });
    });

    it('refuses a copied directory until it is adopted', async () => {
      const leader = await openCluster(1);
      await replicate(leader, 'kept');
      await leader.stop();
      const moved = `${leader.directory}-moved`;
      fs.cpSync(leader.directory, moved, { recursive: true });
      fs.rmSync(leader.directory, { recursive: true });
      fs.cpSync(moved, leader.directory, { recursive: true });
      await assert.rejects(leader.open(), (error) => {
        return (
          error instanceof RaftError && error.code === 'FOREIGN' && /adopt/.test(error.message)
        );
      });
      adoptDirectory(leader.directory);
      await leader.open();
      await cluster.leader();
      assert.deepEqual(leader.machine.texts, ['kept']);
    });

    it('ends when its disk does, and says so', async () => {
      const { files, break: breakDisk } = breakableFiles();
      const leader = await openCluster(1, { effects: { ...nodeEffects, files } });
      await replicate(leader, 'kept');
      breakDisk();
      await assert.rejects(replicate(leader, 'lost'), UncertainError);
      assert.equal(leader.fatals.length, 1);
      assert.match(leader.fatals[0]!.message, /the disk is gone/);
    });
  });

  describe('secret', () => {
    it('is needed where others could reach the bus', async () => {
      cluster = await EmbeddedCluster.found(1, '0.0.0.0');
      await assert.rejects(cluster.open(), (error) => {
        assert(error instanceof SetupError);
        assert.match(error.message, /0\.0\.0\.0 is not loopback/);
        return true;
      });
      await cluster.open({ secret: 'between us' });
      await cluster.leader();
    });

    it('keeps out who does not know it', async () => {
      cluster = await EmbeddedCluster.found(3);
      const [one, two, three] = cluster.replicas as [
        EmbeddedReplica,
        EmbeddedReplica,
        EmbeddedReplica,
      ];
      await one.open({ secret: 'between us' });
      await two.open({ secret: Buffer.from('between us') });
      await three.open({ secret: 'a guess' });
      const leader = await cluster.leader();
      assert.notEqual(leader, three);
      assert.equal(await replicate(leader, 'kept'), 1);
      await eventually('the stranger is told', deadlineMs, () =>
        three.warnings.some((text) => /bus secret/.test(text)),
      );
      assert.deepEqual(three.machine.texts, []);
    });
  });
});
