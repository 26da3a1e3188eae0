// INFO: sections of `name:value` lines, each line ended by CR LF, made from the table of metrics.
// https://redis.io/docs/latest/commands/info/

import { type Metric, type MetricSection, metricSections } from '../../metrics.js';
import type { ServerContext } from './table.js';

export { redisVersion } from '../../metrics.js';

/**
 * The sections named, in the order of the table; names that mean nothing are passed over, as in
 * Redis. Without a name, and by `default`, those that are short; by `all` or `everything`, all.
 */
export function infoText(context: ServerContext, names: readonly string[]): string {
  const wantsAll = names.includes('all') || names.includes('everything');
  const wantsDefault = names.length === 0 || names.includes('default');
  return metricSections
    .filter(
      ({ name, isExtra }) => wantsAll || (wantsDefault && isExtra !== true) || names.includes(name),
    )
    .map((section) => sectionText(context, section))
    .join('\r\n');
}

function sectionText(context: ServerContext, { title, metrics }: MetricSection): string {
  const lines = metrics.flatMap((metric) => linesOf(context, metric));
  return `# ${title}\r\n${lines.join('')}`;
}

function linesOf(context: ServerContext, metric: Metric): string[] {
  if ('lines' in metric) {
    return metric.lines(context).map(([name, value]) => `${name}:${value}\r\n`);
  }
  const value = metric.read(context);
  return value === undefined ? [] : [`${metric.name}:${value}\r\n`];
}
