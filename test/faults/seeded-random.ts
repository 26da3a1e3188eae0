/** Chance that repeats: the same seed gives the same numbers, uniform in [0, 1). */
export function seededRandom(seed: number): () => number {
  let state = (seed ^ 0x9e37_79b9) >>> 0;
  return () => {
    // Weyl sequence, mixed; 32 bits are plenty for choosing faults.
    state = (state + 0x6d2b_79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 0x1_0000_0000;
  };
}

export function randomBytes(random: () => number, byteLength: number): Buffer {
  const bytes = Buffer.alloc(byteLength);
  for (let at = 0; at < byteLength; at += 1) bytes[at] = Math.floor(random() * 256);
  return bytes;
}

/** An integer of least … most. */
export function randomInteger(random: () => number, least: number, most: number): number {
  return least + Math.floor(random() * (most - least + 1));
}

/** The seeds that a test runs: 1 … count, or the one of HOLT_SEED, to run a failure again. */
export function seedsToRun(count: number): number[] {
  const only = Number(process.env.HOLT_SEED ?? 0);
  if (only > 0) return [only];
  const wanted = Number(process.env.HOLT_SEEDS ?? count);
  return Array.from({ length: wanted }, (_, at) => at + 1);
}
