// A snapshot on its way: what its sender and its receiver say on their connection.
//
//   sender  ── offer(term, manifest) ──────────────────▶ receiver   is it wanted, what is there already?
//           ◀─ present(checksums of chunks), or refused ─
//           ── chunk, chunk, chunk … ──────────────────▶            those that are not there, or differ
//           ◀─ stored(bytes) … ──────────────────────────           on its disk: the window moves on
//           ── end ────────────────────────────────────▶            verified, published, installed
//           ◀─ installed, or refused ────────────────────
//           ◀─ alive ─▶                                             once a second, from both
//
// A file is cut into chunks of one size, the last one shorter. Whatever ended a transfer, the next one
// of the same snapshot begins with what is on the receiver's disk, chunk by chunk.
//
// frame header (40 bytes, little endian), then the body:
//
//     0  magic "HSNP"      4  version u8    5  kind u8    6  zero u16
//     8  two fields u64, by kind           24  body bytes u32
//    28  crc of the body u32               32  zero u32   36  crc u32 over bytes 0–35

import { crc32 } from 'node:zlib';
import type { Block, BufferPool } from '../../buffer-pool.js';
import type { Term } from '../../core/index.js';
import { readUint64, writeUint64 } from '../../entry.js';

/** As large as a buffer of the pool; a checksum of it holds the loop for a fraction of a millisecond. */
export const chunkBytes = 512 * 1024;

/** What may be on its way, or waiting for the receiver's disk. */
export const windowBytes = 4 * 1024 * 1024;

export type TransferFrame =
  /** `manifest`: as JSON. */
  | { readonly kind: 'offer'; readonly term: Term; readonly manifest: Buffer }
  /** Per file of the manifest, CRC-32 of each whole chunk from its beginning. */
  | { readonly kind: 'present'; readonly checksums: readonly (readonly number[])[] }
  | Chunk
  /** Bytes of the chunks of this connection. */
  | { readonly kind: 'stored'; readonly byteLength: number }
  | { readonly kind: 'end' }
  | { readonly kind: 'installed' }
  | { readonly kind: 'refused'; readonly reason: string }
  | { readonly kind: 'alive' };

export interface Chunk {
  readonly kind: 'chunk';
  /** Position in the manifest's list. */
  readonly file: number;
  /** The chunk begins at this many times `chunkBytes`. */
  readonly chunk: number;
  readonly bytes: Buffer;
  /** CRC-32 of `bytes`. */
  readonly checksum: number;
  /** Where the bytes lie; its owner releases it. */
  readonly block: Block;
}

type FrameKind = TransferFrame['kind'];

const headerBytes = 40;
const crcOffset = headerBytes - 4;
const magic = 0x504e_5348;
const version = 1;

const kindCodes: Record<FrameKind, number> = {
  offer: 1,
  present: 2,
  chunk: 3,
  stored: 4,
  end: 5,
  installed: 6,
  refused: 7,
  alive: 8,
};
const kindsByCode = new Map(
  Object.entries(kindCodes).map(([kind, code]) => [code, kind as FrameKind]),
);

/** Room for the checksums of two TiB. */
const presentBytesMax = 16 * 1024 * 1024;
const bodyBytesMax: Record<FrameKind, number> = {
  offer: 1024 * 1024,
  present: presentBytesMax,
  chunk: chunkBytes,
  stored: 0,
  end: 0,
  installed: 0,
  refused: 4096,
  alive: 0,
};

const noBytes = Buffer.alloc(0);

/** The buffers of a frame; the last one of a chunk is its own. */
export function encodeFrame(frame: TransferFrame): Buffer[] {
  switch (frame.kind) {
    case 'offer':
      return encode('offer', frame.manifest, frame.term);
    case 'present':
      return encode('present', encodeChecksums(frame.checksums));
    case 'chunk':
      return encode('chunk', frame.bytes, frame.file, frame.chunk, frame.checksum);
    case 'stored':
      return encode('stored', noBytes, frame.byteLength);
    case 'refused':
      return encode('refused', Buffer.from(frame.reason).subarray(0, bodyBytesMax.refused));
    case 'end':
    case 'installed':
    case 'alive':
      return encode(frame.kind, noBytes);
  }
}

function encode(
  kind: FrameKind,
  body: Buffer,
  first = 0,
  second = 0,
  checksum = crc32(body),
): Buffer[] {
  const header = Buffer.alloc(headerBytes);
  header.writeUInt32LE(magic, 0);
  header.writeUInt8(version, 4);
  header.writeUInt8(kindCodes[kind], 5);
  writeUint64(header, 8, first);
  writeUint64(header, 16, second);
  header.writeUInt32LE(body.length, 24);
  header.writeUInt32LE(checksum, 28);
  header.writeUInt32LE(crc32(header.subarray(0, crcOffset)), crcOffset);
  return body.length === 0 ? [header] : [header, body];
}

/** Per file: count u32, then the checksums u32. */
function encodeChecksums(files: readonly (readonly number[])[]): Buffer {
  const count = files.reduce((sum, checksums) => sum + 1 + checksums.length, 0);
  const bytes = Buffer.alloc(count * 4);
  let offset = 0;
  for (const checksums of files) {
    offset = bytes.writeUInt32LE(checksums.length, offset);
    for (const checksum of checksums) offset = bytes.writeUInt32LE(checksum, offset);
  }
  return bytes;
}

function decodeChecksums(bytes: Buffer): number[][] | undefined {
  if (bytes.length % 4 !== 0) return undefined;
  const files: number[][] = [];
  let offset = 0;
  while (offset < bytes.length) {
    const end = offset + 4 + bytes.readUInt32LE(offset) * 4;
    if (end > bytes.length) return undefined;
    const checksums: number[] = [];
    for (offset += 4; offset < end; offset += 4) checksums.push(bytes.readUInt32LE(offset));
    files.push(checksums);
  }
  return files;
}

/**
 * Takes a byte stream apart into frames. A chunk is gathered once, in the buffer from which it will
 * be written.
 */
export class FrameReader {
  readonly #pool: BufferPool;
  readonly #onFrame: (frame: TransferFrame) => void;
  readonly #header = Buffer.alloc(headerBytes);
  #headerFilled = 0;
  #kind: FrameKind = 'alive';
  #body: Buffer = noBytes;
  #bodyFilled = 0;
  /** Of a chunk that is being gathered. */
  #block: Block | undefined;
  #isClosed = false;

  constructor(pool: BufferPool, onFrame: (frame: TransferFrame) => void) {
    this.#pool = pool;
    this.#onFrame = onFrame;
  }

  /** Returns what is wrong with the stream, after which it is of no more use. */
  feed(data: Buffer): string | undefined {
    let offset = 0;
    while (offset < data.length && !this.#isClosed) {
      if (this.#headerFilled < headerBytes) {
        const taken = data.copy(this.#header, this.#headerFilled, offset);
        this.#headerFilled += taken;
        offset += taken;
        if (this.#headerFilled < headerBytes) return undefined;
        const wrong = this.#beginBody();
        if (wrong !== undefined) return wrong;
      }
      const taken = data.copy(this.#body, this.#bodyFilled, offset);
      this.#bodyFilled += taken;
      offset += taken;
      if (this.#bodyFilled < this.#body.length) return undefined;
      const wrong = this.#finishFrame();
      if (wrong !== undefined) return wrong;
    }
    return undefined;
  }

  /** Nothing is taken any more. */
  close(): void {
    this.#isClosed = true;
    this.#block?.release();
    this.#block = undefined;
  }

  /** The header is checked before there is room for the body. */
  #beginBody(): string | undefined {
    const header = this.#header;
    if (header.readUInt32LE(0) !== magic) return 'a frame without its magic number';
    if (crc32(header.subarray(0, crcOffset)) !== header.readUInt32LE(crcOffset)) {
      return 'a frame with a damaged header';
    }
    if (header.readUInt8(4) !== version) return `frames of version ${header.readUInt8(4)}`;
    const kind = kindsByCode.get(header.readUInt8(5));
    if (kind === undefined) return `a frame of the unknown kind ${header.readUInt8(5)}`;
    const byteLength = header.readUInt32LE(24);
    if (byteLength > bodyBytesMax[kind]) return `a frame "${kind}" beyond its limit`;
    this.#kind = kind;
    this.#bodyFilled = 0;
    if (kind === 'chunk') {
      this.#block = this.#pool.take(chunkBytes);
      this.#body = this.#block.buffer.subarray(0, byteLength);
    } else {
      this.#body = byteLength === 0 ? noBytes : Buffer.alloc(byteLength);
    }
    return undefined;
  }

  #finishFrame(): string | undefined {
    const body = this.#body;
    this.#headerFilled = 0;
    this.#body = noBytes;
    if (crc32(body) !== this.#header.readUInt32LE(28)) {
      return `a frame "${this.#kind}" that was damaged on the way`;
    }
    const frame = this.#decode(body);
    if (frame === undefined) return `a frame "${this.#kind}" that makes no sense`;
    this.#onFrame(frame);
    return undefined;
  }

  #decode(body: Buffer): TransferFrame | undefined {
    const kind = this.#kind;
    const first = readUint64(this.#header, 8);
    switch (kind) {
      case 'offer':
        return { kind, term: first, manifest: body };
      case 'present': {
        const checksums = decodeChecksums(body);
        return checksums && { kind, checksums };
      }
      case 'chunk': {
        const chunk = readUint64(this.#header, 16);
        const checksum = this.#header.readUInt32LE(28);
        const block = this.#block!;
        this.#block = undefined;
        return { kind, file: first, chunk, bytes: body, checksum, block };
      }
      case 'stored':
        return { kind, byteLength: first };
      case 'refused':
        return { kind, reason: body.toString() };
      case 'end':
      case 'installed':
      case 'alive':
        return { kind };
    }
  }
}
