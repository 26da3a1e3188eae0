// Which of the 16384 hash slots a key belongs to.
//
// CRC16 (XMODEM) of the key, or of the part between the first `{` and the first `}` behind it when
// that part is not empty, modulo 16384. Clients compute the same, and the cluster redirects the
// one that does not. The npm package `cluster-key-slot` disagrees with Redis about keys whose first
// braces are empty and that have another pair behind (`foo{}{bar}`); rows are filed under the slot
// for ever, so the rule of the specification is followed here.
// https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/#hash-tags

export const slotCount = 16384;

const openingBrace = 0x7b;
const closingBrace = 0x7d;

const crcTable = makeCrcTable();

/** 0 to 16383. */
export function keySlot(key: Uint8Array): number {
  const { length } = key;
  // Plain loops: for keys of everyday length they are faster than a call of indexOf.
  let start = 0;
  while (start < length && key[start] !== openingBrace) start++;
  start++;
  let end = start;
  while (end < length && key[end] !== closingBrace) end++;
  const hasTag = end < length && end > start;
  return (hasTag ? crc16(key, start, end) : crc16(key, 0, length)) & (slotCount - 1);
}

function crc16(bytes: Uint8Array, start: number, end: number): number {
  let crc = 0;
  for (let i = start; i < end; i++) {
    const index = ((crc >> 8) ^ (bytes[i] as number)) & 0xff;
    crc = ((crc << 8) & 0xffff) ^ (crcTable[index] as number);
  }
  return crc;
}

function makeCrcTable(): Uint16Array {
  const polynomial = 0x1021;
  const table = new Uint16Array(256);
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte << 8;
    for (let bit = 0; bit < 8; bit++) crc = crc & 0x8000 ? (crc << 1) ^ polynomial : crc << 1;
    table[byte] = crc;
  }
  return table;
}
