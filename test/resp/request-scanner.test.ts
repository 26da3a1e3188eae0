import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { RequestScanner, type ScanEvent, type ScanState } from '../../resp/request-scanner.js';

interface Step {
  readonly feed: string;
  readonly event: ScanEvent;
  readonly state: ScanState;
  /** Bytes used; all of them when not given. */
  readonly position?: number;
}

const walks: readonly { readonly what: string; readonly steps: readonly Step[] }[] = [
  {
    what: 'a request, header by header',
    steps: [
      { feed: '*', event: 'needMore', state: 'arrayLength' },
      { feed: '2\r', event: 'needMore', state: 'arrayLength' },
      { feed: '\n', event: 'needMore', state: 'bulkLength' },
      { feed: '$3\r\n', event: 'needMore', state: 'bulkBytes' },
      { feed: 'GE', event: 'needMore', state: 'bulkBytes' },
      { feed: 'T\r\n', event: 'needMore', state: 'bulkLength' },
      { feed: '$', event: 'needMore', state: 'bulkLength' },
      { feed: '0\r\n', event: 'needMore', state: 'bulkBytes' },
      { feed: '\r', event: 'needMore', state: 'bulkBytes' },
      { feed: '\n', event: 'multibulk', state: 'start' },
    ],
  },
  {
    what: 'no further than the end of a request',
    steps: [{ feed: '*1\r\n$1\r\na\r\n*1\r\n', event: 'multibulk', state: 'start', position: 11 }],
  },
  {
    what: 'an inline request',
    steps: [
      { feed: 'PI', event: 'needMore', state: 'inline' },
      { feed: 'NG\r\nPING\n', event: 'inline', state: 'start', position: 4 },
    ],
  },
  {
    what: 'a request for nothing',
    steps: [{ feed: '*-1\r\n*0\r\n', event: 'ignored', state: 'start', position: 5 }],
  },
  {
    what: 'to an error and stays there',
    steps: [
      { feed: '*1\r\n:', event: 'error', state: 'bulkLength', position: 4 },
      { feed: '*1\r\n', event: 'error', state: 'bulkLength', position: 4 },
    ],
  },
];

describe('RequestScanner', () => {
  for (const { what, steps } of walks) {
    it(`walks ${what}`, () => {
      const scanner = new RequestScanner();
      for (const { feed, event, state, position = feed.length } of steps) {
        assert.equal(scanner.scan(Buffer.from(feed), 0), event, feed);
        assert.equal(scanner.state, state, feed);
        assert.equal(scanner.position, position, feed);
      }
    });
  }

  it('goes on in the same chunk from where it was', () => {
    const scanner = new RequestScanner();
    const chunk = Buffer.from('PING\r\n*0\r\n*1\r\n$1\r\na\r\n*');
    const events: ScanEvent[] = [];
    let position = 0;
    do {
      events.push(scanner.scan(chunk, position));
      position = scanner.position;
    } while (events.at(-1) !== 'needMore');
    assert.deepEqual(events, ['inline', 'ignored', 'multibulk', 'needMore']);
    assert.equal(scanner.state, 'arrayLength');
  });

  it('measures each request anew', () => {
    const request = Buffer.from('*1\r\n$4\r\nPING\r\n');
    const scanner = new RequestScanner({
      argumentsMax: 1,
      commandBytesMax: request.length,
      inlineBytesMax: 4,
      headerBytesMax: 2,
      unauthenticatedArgumentsMax: 1,
      unauthenticatedBulkBytesMax: 4,
    });
    for (const chunk of [request, request, Buffer.from('PING\n'), request, Buffer.from('PING\n')]) {
      assert.notEqual(scanner.scan(chunk, 0), 'error', scanner.error);
    }
    assert.equal(scanner.state, 'start');
  });
});
