// A client that does only what it is told: it sends the bytes it is given and hands out every reply
// as it came, errors included. It never reconnects, resends or follows a redirection, so a test
// knows exactly what the server was asked and what it answered.

import net from 'node:net';

/** `-CODE sentence`, as a value. */
export class ErrorAnswer {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

/** A simple string is a string, a bulk or verbatim string the bytes of it. */
export type Answer =
  | string
  | Buffer
  | number
  | bigint
  | boolean
  | null
  | ErrorAnswer
  | Map<string, Answer>
  | Answer[];

/** The connection ended before the answer came: nobody knows what became of the command. */
export class ConnectionLost extends Error {
  constructor() {
    super('The connection was closed before the answer came');
    this.name = 'ConnectionLost';
  }
}

type Argument = string | number | Buffer;

interface Waiter {
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: Error) => void;
}

export class RespConnection {
  readonly socket: net.Socket;
  readonly #decoder = new AnswerDecoder();
  readonly #waiters: Waiter[] = [];
  readonly #answers: Answer[] = [];
  readonly #closed: Promise<void>;
  #isClosed = false;

  /** Rejects after `deadlineMs`, if given: a server that is cut off does not even refuse. */
  static open(port: number, host = '127.0.0.1', deadlineMs = 0): Promise<RespConnection> {
    return new Promise((resolve, reject) => {
      const socket = net.connect({ port, host, noDelay: true });
      socket.setTimeout(deadlineMs, () => socket.destroy(new ConnectionLost()));
      socket.once('error', reject);
      socket.once('connect', () => {
        socket.setTimeout(0);
        socket.off('error', reject);
        resolve(new RespConnection(socket));
      });
    });
  }

  private constructor(socket: net.Socket) {
    this.socket = socket;
    socket.on('data', (chunk) => this.#onData(chunk));
    // 'close' follows and says all there is to say.
    socket.on('error', () => socket.destroy());
    this.#closed = new Promise((resolve) => {
      socket.once('close', () => {
        this.#isClosed = true;
        for (const { reject } of this.#waiters.splice(0)) reject(new ConnectionLost());
        resolve();
      });
    });
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Resolves when the server, or `close`, has ended the connection. */
  get closed(): Promise<void> {
    return this.#closed;
  }

  /** Answers that nobody has asked for yet. */
  get unclaimed(): readonly Answer[] {
    return this.#answers;
  }

  send(bytes: string | Buffer): void {
    this.socket.write(bytes);
  }

  /** The next answer in order. Rejects with `ConnectionLost`. */
  next(): Promise<Answer> {
    const answer = this.#answers.shift();
    if (answer !== undefined) return Promise.resolve(answer);
    if (this.#isClosed) return Promise.reject(new ConnectionLost());
    return new Promise((resolve, reject) => this.#waiters.push({ resolve, reject }));
  }

  /** Sends one command and resolves with its answer; bulk strings come as bytes. */
  callBytes(...args: Argument[]): Promise<Answer> {
    if (this.#isClosed) return Promise.reject(new ConnectionLost());
    const answer = this.next();
    this.send(encodeRequest(args));
    return answer;
  }

  /** Sends one command; bulk strings come as text, errors as `-CODE sentence`. */
  async call(...args: Argument[]): Promise<unknown> {
    return plain(await this.callBytes(...args));
  }

  /** Sends all commands in one write. */
  async pipeline(commands: readonly (readonly Argument[])[]): Promise<unknown[]> {
    const answers = commands.map(() => this.next());
    this.send(Buffer.concat(commands.map(encodeRequest)));
    return (await Promise.all(answers)).map(plain);
  }

  close(): void {
    this.socket.destroy();
  }

  #onData(chunk: Buffer): void {
    for (const answer of this.#decoder.feed(chunk)) {
      const waiter = this.#waiters.shift();
      if (waiter === undefined) this.#answers.push(answer);
      else waiter.resolve(answer);
    }
  }
}

export function encodeRequest(args: readonly Argument[]): Buffer {
  const parts: Buffer[] = [Buffer.from(`*${args.length}\r\n`)];
  for (const arg of args) {
    const bytes = Buffer.isBuffer(arg) ? arg : Buffer.from(String(arg));
    parts.push(Buffer.from(`$${bytes.length}\r\n`), bytes, lineEnd);
  }
  return Buffer.concat(parts);
}

const lineEnd = Buffer.from('\r\n');

/** For `deepEqual` with literals: bytes become text, errors `-text`, maps objects. */
export function plain(answer: Answer): unknown {
  if (Buffer.isBuffer(answer)) return answer.toString();
  if (answer instanceof ErrorAnswer) return `-${answer.text}`;
  if (answer instanceof Map) {
    return Object.fromEntries([...answer].map(([key, value]) => [key, plain(value)]));
  }
  return Array.isArray(answer) ? answer.map(plain) : answer;
}

/** Bytes in, whole answers of RESP2 and RESP3 out. */
class AnswerDecoder {
  #chunks: Buffer[] = [];
  #byteLength = 0;
  /** Fewer bytes than this hold no whole answer: keeps a large value from being joined over and over. */
  #needed = 1;

  feed(chunk: Buffer): Answer[] {
    this.#chunks.push(chunk);
    this.#byteLength += chunk.length;
    const answers: Answer[] = [];
    if (this.#byteLength < this.#needed) return answers;
    const bytes = Buffer.concat(this.#chunks);
    let offset = 0;
    for (;;) {
      const reader = new AnswerReader(bytes, offset);
      const answer = reader.read();
      if (answer === undefined) {
        this.#needed = reader.needed - offset;
        break;
      }
      answers.push(answer);
      offset = reader.position;
    }
    const rest = bytes.subarray(offset);
    this.#chunks = [rest];
    this.#byteLength = rest.length;
    return answers;
  }
}

/** Reads one answer, or finds that bytes are missing. */
class AnswerReader {
  readonly #bytes: Buffer;
  position: number;
  needed = 0;

  constructor(bytes: Buffer, position: number) {
    this.#bytes = bytes;
    this.position = position;
  }

  read(): Answer | undefined {
    const line = this.#line();
    if (line === undefined) return undefined;
    const text = line.slice(1);
    switch (line[0]) {
      case '+':
        return text;
      case '-':
        return new ErrorAnswer(text);
      case ':':
        return Number.isSafeInteger(Number(text)) ? Number(text) : BigInt(text);
      case ',':
        return Number(text);
      case '#':
        return text === 't';
      case '_':
        return null;
      case '$':
        return text === '-1' ? null : this.#bulk(Number(text));
      case '=':
        return this.#bulk(Number(text))?.subarray(4);
      case '*':
      case '~':
      case '>':
        return text === '-1' ? null : this.#elements(Number(text));
      case '%':
        return this.#map(Number(text));
      default:
        throw new Error(`No answer begins like ${JSON.stringify(line.slice(0, 80))}`);
    }
  }

  #line(): string | undefined {
    const end = this.#bytes.indexOf('\r\n', this.position, 'latin1');
    if (end === -1) {
      this.needed = this.#bytes.length + 1;
      return undefined;
    }
    const line = this.#bytes.toString('utf8', this.position, end);
    this.position = end + 2;
    return line;
  }

  #bulk(length: number): Buffer | undefined {
    const end = this.position + length;
    if (end + 2 > this.#bytes.length) {
      this.needed = end + 2;
      return undefined;
    }
    const bulk = this.#bytes.subarray(this.position, end);
    this.position = end + 2;
    return bulk;
  }

  #elements(count: number): Answer[] | undefined {
    const elements: Answer[] = [];
    for (let at = 0; at < count; at += 1) {
      const element = this.read();
      if (element === undefined) return undefined;
      elements.push(element);
    }
    return elements;
  }

  #map(count: number): Map<string, Answer> | undefined {
    const elements = this.#elements(count * 2);
    if (elements === undefined) return undefined;
    const map = new Map<string, Answer>();
    for (let at = 0; at < elements.length; at += 2) {
      map.set(String(elements[at]), elements[at + 1]!);
    }
    return map;
  }
}
