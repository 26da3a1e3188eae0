import assert from 'node:assert/strict';
import { Drawing } from '../../cluster-scripts/live-view.js';

// biome-ignore lint/suspicious/noControlCharactersInRegex: terminals are spoken to in them.
const controlOrLetter = /\x1b\[\d*[AKJ]|./gs;

/** As much of a terminal as the view uses: rows, wrapping, cursor up, erasing. */
class Terminal {
  readonly isTTY = true;
  columns: number;
  readonly rows: number;
  readonly lines: string[] = [''];
  #row = 0;
  #column = 0;

  constructor(columns: number, rows: number) {
    this.columns = columns;
    this.rows = rows;
  }

  write(text: string): void {
    for (const [part] of text.matchAll(controlOrLetter)) this.#take(part);
  }

  /** What can be seen, without blank rows at the end. */
  get text(): string {
    return this.lines.join('\n').trimEnd();
  }

  #take(part: string): void {
    const line = this.lines[this.#row] ?? '';
    if (part === '\r') this.#column = 0;
    else if (part === '\n') this.#newLine();
    else if (part === '\x1b[K') this.lines[this.#row] = line.slice(0, this.#column);
    else if (part === '\x1b[J') {
      this.lines.length = this.#row + 1;
      this.lines[this.#row] = line.slice(0, this.#column);
    } else if (part.endsWith('A')) this.#row = Math.max(0, this.#row - Number(part.slice(2, -1)));
    else this.#print(part, line);
  }

  #print(letter: string, line: string): void {
    if (this.#column === this.columns) {
      this.#newLine();
      line = this.lines[this.#row]!;
    }
    this.lines[this.#row] =
      line.slice(0, this.#column).padEnd(this.#column) + letter + line.slice(this.#column + 1);
    this.#column += 1;
  }

  #newLine(): void {
    this.#row += 1;
    this.#column = 0;
    this.lines[this.#row] ??= '';
  }
}

describe('live view', () => {
  it('draws over its last drawing and leaves the lines above alone', () => {
    const terminal = new Terminal(20, 10);
    terminal.write('$ start\n');
    const drawing = new Drawing(terminal, []);
    drawing.draw(['one', 'a long line', 'three']);
    drawing.draw(['one', 'short', 'three']);
    assert.equal(terminal.text, '$ start\none\nshort\nthree');
  });

  it('erases what a shorter drawing leaves', () => {
    const terminal = new Terminal(20, 10);
    const drawing = new Drawing(terminal, []);
    drawing.draw(['one', 'two', 'three', 'four']);
    drawing.draw(['one', 'two']);
    assert.equal(terminal.text, 'one\ntwo');
  });

  it('cuts lines that would wrap', () => {
    const terminal = new Terminal(10, 10);
    const drawing = new Drawing(terminal, []);
    drawing.draw(['0123456789abc', 'end']);
    drawing.draw(['0123456789abc', 'end']);
    assert.equal(terminal.text, '012345678\nend');
  });

  it('draws no more lines than fit', () => {
    const terminal = new Terminal(10, 4);
    const drawing = new Drawing(terminal, []);
    drawing.draw(['1', '2', '3', '4', '5']);
    assert.equal(terminal.text, '1\n2\n3');
  });

  it('takes a terminal of size 0 for one of the usual size', () => {
    const written: string[] = [];
    const screen = { columns: 0, rows: 0, write: (text: string) => written.push(text) };
    const drawing = new Drawing(screen, []);
    drawing.draw(['one', 'two']);
    drawing.draw(['three']);
    assert.equal(written[1], '\x1b[2A\rthree\x1b[K\n\x1b[J');
  });

  it('goes up over rows that a narrower terminal has wrapped', () => {
    const wide = new Terminal(20, 10);
    const drawing = new Drawing(wide, []);
    drawing.draw(['0123456789abc', 'end']);
    const written: string[] = [];
    wide.columns = 10;
    wide.write = (text) => written.push(text);
    drawing.draw(['x']);
    assert.ok(written[0]!.startsWith('\x1b[3A'), JSON.stringify(written[0]));
  });

  it('erases the echo of Ctrl-C at its end', () => {
    const terminal = new Terminal(20, 10);
    const drawing = new Drawing(terminal, []);
    drawing.draw(['one']);
    terminal.write('^C');
    drawing.end();
    terminal.write('stopped');
    assert.equal(terminal.text, 'one\nstopped');
  });
});
