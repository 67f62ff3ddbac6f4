import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { NetworkNamespace, run } from '@berth/sys';

const marker = 'BERTH_TEST_NAMESPACE';

/**
 * Runs a test file's tests in a network namespace that dies with them: the file starts itself again there. The tests are
 * reported as one, with their own report in the message when it fails.
 */
export function inOwnNamespace(moduleUrl: string, define: () => void): void {
  const file = fileURLToPath(moduleUrl);
  if (process.env[marker] !== undefined) {
    define();
    after(() => assert.deepEqual(NetworkNamespace.alive(), []));
    return;
  }
  test(`in a network namespace of its own: ${file.split('/').pop()}`, { timeout: 150_000 }, async (context) => {
    const { exitCode, stdout, stderr } = await run(
      'unshare',
      ['--net', '--', 'sh', '-c', 'ip link set lo up && exec "$@"', 'sh', process.execPath, '--test-reporter=spec', file, ...process.argv.slice(2)],
      { env: { [marker]: '1', NODE_TEST_CONTEXT: '' }, timeoutMs: 140_000, accept: [0, 1, 7, 13, 128] },
    );
    for (const line of stdout.trim().split('\n')) context.diagnostic(line);
    assert.equal(exitCode, 0, `${stdout}\n${stderr}`);
  });
}
