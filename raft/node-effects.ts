// The real effects, from Node's own modules: the one file of `raft/` that reaches for them.

import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import net from 'node:net';
import { dirname } from 'node:path';
import type {
  Chance,
  Clock,
  Connection,
  Done,
  FileHandle,
  FileStat,
  Files,
  Network,
  OpenMode,
  Timers,
} from './effects.js';

export const nodeClock: Clock = {
  wallMs: () => Date.now(),
  monotonicMs: () => performance.now(),
};

export const nodeTimers: Timers = {
  after(ms, callback) {
    const timer = setTimeout(callback, ms);
    return () => clearTimeout(timer);
  },
  every(ms, callback) {
    const timer = setInterval(callback, ms);
    return () => clearInterval(timer);
  },
  // The check phase: after every socket and file event that this turn of the loop had.
  atTurnEnd(callback) {
    setImmediate(callback);
  },
};

export const nodeChance: Chance = {
  random: () => Math.random(),
  bytes: (length) => randomBytes(length),
};

const openFlags: Record<OpenMode, number> = {
  read: fs.constants.O_RDONLY,
  create: fs.constants.O_RDWR | fs.constants.O_CREAT | fs.constants.O_EXCL,
  durable: fs.constants.O_RDWR | fs.constants.O_DSYNC,
};

export const nodeFiles: Files = {
  stat(path): FileStat | undefined {
    const stat = fs.statSync(path, { throwIfNoEntry: false });
    if (stat === undefined) return undefined;
    return {
      device: stat.dev,
      inode: stat.ino,
      birthMs: stat.birthtimeMs,
      byteLength: stat.size,
    };
  },
  list: (directory) => fs.readdirSync(directory),
  makeDirectory(path) {
    const created = fs.mkdirSync(path, { recursive: true });
    if (created === undefined) return;
    // From the first created directory's parent down, so that the whole path survives.
    for (let at = path; at.length >= dirname(created).length; at = dirname(at)) {
      nodeFiles.syncDirectorySync(at);
      if (at === dirname(at)) break;
    }
  },
  open: (path, mode) => new NodeFile(fs.openSync(path, openFlags[mode], 0o600)),
  rename: (source, target) => fs.renameSync(source, target),
  remove: (path) => fs.unlinkSync(path),
  syncDirectorySync(directory) {
    const descriptor = fs.openSync(directory, fs.constants.O_RDONLY);
    try {
      fs.fsyncSync(descriptor);
    } finally {
      fs.closeSync(descriptor);
    }
  },
  syncDirectory(directory, done) {
    fs.open(directory, fs.constants.O_RDONLY, (openError, descriptor) => {
      if (openError !== null) return done(openError);
      fs.fsync(descriptor, (error) => {
        fs.closeSync(descriptor);
        done(error ?? undefined);
      });
    });
  },
};

class NodeFile implements FileHandle {
  readonly #descriptor: number;

  constructor(descriptor: number) {
    this.#descriptor = descriptor;
  }

  readSync(target: Buffer, position: number): number {
    let done = 0;
    while (done < target.length) {
      const read = fs.readSync(
        this.#descriptor,
        target,
        done,
        target.length - done,
        position + done,
      );
      if (read === 0) break;
      done += read;
    }
    return done;
  }

  read(target: Buffer, position: number, done: Done): void {
    const step = (offset: number): void => {
      if (offset === target.length) return done(undefined);
      const rest = target.length - offset;
      fs.read(this.#descriptor, target, offset, rest, position + offset, (error, read) => {
        if (error !== null) return done(error);
        if (read === 0) return done(new Error('the file ends too early'));
        step(offset + read);
      });
    };
    step(0);
  }

  writeSync(source: Buffer, position: number): void {
    for (let done = 0; done < source.length; ) {
      done += fs.writeSync(this.#descriptor, source, done, source.length - done, position + done);
    }
  }

  write(sources: readonly Buffer[], position: number, done: Done): void {
    const total = sources.reduce((sum, source) => sum + source.length, 0);
    if (sources.length === 1) return this.#writeOne(sources[0]!, position, done);
    fs.writev(this.#descriptor, sources as Buffer[], position, (error, written) => {
      if (error !== null) return done(error);
      if (written === total) return done(undefined);
      // Short, as near a full disk: the rest tells what is wrong.
      this.#writeOne(Buffer.concat(sources).subarray(written), position + written, done);
    });
  }

  #writeOne(source: Buffer, position: number, done: Done): void {
    fs.write(this.#descriptor, source, 0, source.length, position, (error, written) => {
      if (error !== null) return done(error);
      if (written === source.length) return done(undefined);
      if (written === 0) return done(new Error('nothing could be written'));
      this.#writeOne(source.subarray(written), position + written, done);
    });
  }

  syncSync(): void {
    fs.fsyncSync(this.#descriptor);
  }

  sync(done: Done): void {
    fs.fsync(this.#descriptor, (error) => done(error ?? undefined));
  }

  closeSync(): void {
    fs.closeSync(this.#descriptor);
  }
}

const connectTimeoutMs = 3_000;

export const nodeNetwork: Network = {
  listen(address, onConnection, done) {
    const server = net.createServer({ noDelay: true }, (socket) => {
      onConnection(new NodeConnection(socket));
    });
    const onError = (error: Error): void => done(error, undefined);
    server.once('error', onError);
    server.listen(address.port, address.host, () => {
      server.off('error', onError);
      // One connection could not be accepted, as when descriptors run out: whoever dialled tries again.
      server.on('error', () => {});
      const bound = server.address() as net.AddressInfo;
      done(undefined, { port: bound.port, close: () => server.close() });
    });
  },
  connect(address, done) {
    const socket = net.connect({ ...address, noDelay: true });
    // Of several addresses the error has no text of its own, only a code.
    const onError = (error: NodeJS.ErrnoException): void =>
      done(error.message === '' ? new Error(error.code) : error, undefined);
    socket.once('error', onError);
    // Where packets vanish the kernel would try for two minutes, ever more rarely.
    socket.setTimeout(connectTimeoutMs, () => socket.destroy(new Error('it does not answer')));
    socket.once('connect', () => {
      socket.setTimeout(0);
      socket.off('error', onError);
      done(undefined, new NodeConnection(socket));
    });
  },
};

class NodeConnection implements Connection {
  readonly #socket: net.Socket;
  #reason = 'the other side closed the connection';

  constructor(socket: net.Socket) {
    this.#socket = socket;
    // A reset or a broken pipe; 'close' follows.
    socket.on('error', (error) => {
      this.#reason = error.message;
    });
  }

  write(buffers: readonly Buffer[], sent: () => void): void {
    this.#socket.cork();
    for (const [at, buffer] of buffers.entries()) {
      if (at === buffers.length - 1) this.#socket.write(buffer, () => sent());
      else this.#socket.write(buffer);
    }
    this.#socket.uncork();
  }

  onData(callback: (chunk: Buffer) => void): void {
    this.#socket.on('data', callback);
  }

  onClose(callback: (reason: string) => void): void {
    this.#socket.once('close', () => callback(this.#reason));
  }

  destroy(): void {
    this.#reason = 'closed from this side';
    this.#socket.destroy();
  }
}
