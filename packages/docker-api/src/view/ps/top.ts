import type { ProcessRow } from '@berth/runtime';
import type { PsRequest } from './arguments.ts';
import type { PsContext } from './columns.ts';

/** `docker top`: the container's processes, in the columns asked for. */
export function topView(rows: readonly ProcessRow[], request: PsRequest, context: PsContext): { Titles: string[]; Processes: string[][] } {
  const { columns, selects, sort, forest } = request;
  const chosen = rows.filter(selects).sort((a, b) => {
    for (const { column, descending } of sort) {
      const order = compare(column.text(a, context), column.text(b, context));
      if (order !== 0) return descending ? -order : order;
    }
    return 0;
  });
  const listed = forest ? asForest(chosen) : chosen.map((row) => ({ row, depth: 0 }));
  return {
    Titles: columns.map(({ title }) => title),
    Processes: listed.map(({ row, depth }) =>
      columns.map((column, index) => (depth > 0 && index === columns.length - 1 ? '\\_ ' : '') + column.text(row, context)),
    ),
  };
}

function compare(a: string, b: string): number {
  const [x, y] = [Number(a), Number(b)];
  if (!Number.isNaN(x) && !Number.isNaN(y)) return x - y;
  return a < b ? -1 : a > b ? 1 : 0;
}

function asForest(rows: readonly ProcessRow[]): { row: ProcessRow; depth: number }[] {
  const pids = new Set(rows.map(({ pid }) => pid));
  const under = (parents: readonly ProcessRow[], depth: number): { row: ProcessRow; depth: number }[] =>
    parents.flatMap((row) => [
      { row, depth },
      ...under(
        rows.filter(({ ppid, pid }) => ppid === row.pid && pid !== row.pid),
        depth + 1,
      ),
    ]);
  return under(
    rows.filter(({ ppid }) => !pids.has(ppid)),
    0,
  );
}
