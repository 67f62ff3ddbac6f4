import assert from 'node:assert/strict';
import { test } from 'node:test';
import { median, quantile, summarize } from './statistics.ts';

test('medians and nearest-rank quantiles', () => {
  assert.equal(median([3, 1, 2]), 2);
  assert.equal(median([4, 1, 2, 3]), 2.5);
  assert.ok(Number.isNaN(median([])));
  const hundred = Array.from({ length: 100 }, (_, index) => 100 - index);
  assert.equal(quantile(hundred, 0.95), 95);
  assert.equal(quantile([7], 0.95), 7);
  assert.deepEqual(summarize([2, 1]), { count: 2, median: 1.5, p95: 2, minimum: 1, maximum: 2 });
});
