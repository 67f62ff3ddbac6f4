import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openTestApi } from '../stand-ins/test-api.ts';

const MIB = 1 << 20;

test('docker update: over what was there, and refused in the words of dockerd', { timeout: 30_000 }, async () => {
  await using api = await openTestApi();
  const id = await api.run(['sleep', '60'], { HostConfig: { Memory: 100 * MIB } });
  const update = (body: object) => api.call('POST', `/containers/${id}/update`, body);
  const host = async () => (await api.call('GET', `/containers/${id}/json`)).json<{ HostConfig: Record<string, unknown> }>().HostConfig;
  const refused = async (body: object) => {
    const answer = await update(body);
    assert.ok(answer.status >= 400, JSON.stringify(body));
    return answer.json<{ message: string }>().message.replace(id, 'ID');
  };

  assert.deepEqual((await update({ NanoCpus: 1e9 })).json(), { Warnings: [] });
  assert.equal(
    await refused({ Memory: 300 * MIB }),
    'Cannot update container ID: Memory limit should be smaller than already set memoryswap limit, update the memoryswap at the same time',
  );
  assert.equal((await update({ Memory: 300 * MIB, MemorySwap: 600 * MIB })).status, 200);
  assert.equal(
    await refused({ CpuQuota: 5000 }),
    'Cannot update container ID: Conflicting options: CPU Quota cannot be updated as NanoCPUs has already been set',
  );
  assert.equal((await update({ RestartPolicy: { Name: 'on-failure', MaximumRetryCount: 3 } })).status, 200);
  assert.equal((await update({ PidsLimit: 50 })).status, 200);
  assert.match((await update({ CpuShares: 512 })).text, /--cpu-shares has no effect here/);
  assert.match(await refused({ RestartPolicy: { Name: 'nope' } }), /invalid restart policy/);
  assert.match(await refused({ CpusetCpus: '0' }), /--cpuset-cpus is not possible with Berth: it names CPUs of the host's/);
  assert.match(await refused({ Memory: 1 }), /Minimum memory limit allowed is 6MB/);
  assert.equal((await api.call('POST', '/containers/nosuch/update', { NanoCpus: 1e9 })).status, 404);

  const { Memory, MemorySwap, NanoCpus, PidsLimit, CpuShares, RestartPolicy, ShmSize } = await host();
  assert.deepEqual(
    { Memory, MemorySwap, NanoCpus, PidsLimit, CpuShares, RestartPolicy, ShmSize },
    {
      Memory: 300 * MIB,
      MemorySwap: 600 * MIB,
      NanoCpus: 1e9,
      PidsLimit: 50,
      CpuShares: 512,
      RestartPolicy: { Name: 'on-failure', MaximumRetryCount: 3 },
      ShmSize: 64 * MIB,
    },
  );
});
