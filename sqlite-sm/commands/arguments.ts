// What commands do with the raw bytes of their arguments.

/** Whether an argument is this word, in whatever case. The word is given in lower case. */
export function isWord(argument: Uint8Array, word: string): boolean {
  if (argument.length !== word.length) return false;
  for (let i = 0; i < word.length; i++) {
    if (lowerCase(argument[i] as number) !== word.charCodeAt(i)) return false;
  }
  return true;
}

/** ASCII only, as Redis compares names and options. */
export function lowerCase(byte: number): number {
  return byte >= 0x41 && byte <= 0x5a ? byte | 0x20 : byte;
}
