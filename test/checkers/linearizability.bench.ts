// How long is a history that can still be judged?
//
// Ten clients share one store; some of their answers are lost. A row shows the processor time of one
// search, and whether an order was found: `unknown` is a search whose steps ran out, and the longest
// that there is. From a quarter of the operations to all of them the time should grow fourfold.
//
//   npm run build && node dist/test/checkers/linearizability.bench.js

import { seededRandom } from '../faults/seeded-random.js';
import { checkLinearizability } from './linearizability.js';
import { redisModel } from './redis-model.js';
import { mixedCommands, registerCommands, simulatedHistory } from './simulated-history.js';

const clients = 10;

console.log('commands   keys  answers lost  operations  milliseconds');
for (const [name, commandsOf, keys] of [
  ['registers', registerCommands, 1],
  ['registers', registerCommands, 100],
  ['mixed', mixedCommands, 1],
  ['mixed', mixedCommands, 30],
] as const) {
  for (const losses of [0, 0.01, 0.05]) {
    for (const operations of [2_500, 10_000]) {
      const random = seededRandom(7);
      const nextCommand = commandsOf(random, keys);
      const history = simulatedHistory({ random, clients, operations, losses, nextCommand });
      const startedAt = process.cpuUsage();
      const { kind } = checkLinearizability(history, redisModel(history));
      const { user, system } = process.cpuUsage(startedAt);
      const cells = [
        name.padEnd(9),
        String(keys).padStart(5),
        `${losses * 100} %`.padStart(13),
        String(operations).padStart(11),
        ((user + system) / 1000).toFixed(0).padStart(13),
        kind === 'linearizable' ? '' : ` ${kind}`,
      ];
      console.log(cells.join(' '));
    }
  }
}
