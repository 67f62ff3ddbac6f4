import type { DockerCli } from '../oracle/index.ts';

/** Removes every container, running or not; ones that go by themselves meanwhile are fine. */
export async function removeAll(docker: DockerCli): Promise<void> {
  for (let attempt = 0; attempt < 5; attempt++) {
    const ids = (await docker.ok(['ps', '-aq', '--no-trunc'])).split('\n').filter(Boolean);
    if (ids.length === 0) return;
    await docker.run(['rm', '-f', ...ids], { timeoutMs: 120_000 });
  }
  throw new Error(`containers that cannot be removed: ${await docker.ok(['ps', '-a'])}`);
}
