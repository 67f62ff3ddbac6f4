import { call, demultiplex } from './docker-endpoint.mjs';
import { Problem } from './problem.mjs';

const IMAGE = 'berth/hello';

/** Runs a container the way a docker client does, reads what it printed and how it ended, and removes it. */
export async function selfCheck(socket) {
  const begun = Date.now();
  let id;
  try {
    ({ Id: id } = await call(socket, 'POST', `/containers/create`, { Image: IMAGE, HostConfig: { NetworkMode: 'none' } }, { timeoutMs: 30_000 }));
    const waiting = call(socket, 'POST', `/containers/${id}/wait?condition=next-exit`, undefined, { timeoutMs: 60_000 });
    waiting.catch(() => undefined);
    await call(socket, 'POST', `/containers/${id}/start`, undefined, { timeoutMs: 60_000 });
    const started = Date.now();
    const { StatusCode: code } = await waiting;
    const text = demultiplex(await call(socket, 'GET', `/containers/${id}/logs?stdout=1&stderr=1`));
    if (code !== 0) throw new Error(`the container ended with ${code}: ${text.trim()}`);
    if (text.trim() === '') throw new Error('the container printed nothing');
    return { startMs: started - begun, totalMs: Date.now() - begun };
  } catch (error) {
    throw new Problem(`The self-check failed: ${error.message}`, ['The daemon runs; its log says more (npm run status shows where it is).']);
  } finally {
    if (id !== undefined) await call(socket, 'DELETE', `/containers/${id}?force=1`, undefined, { timeoutMs: 30_000 }).catch(() => undefined);
  }
}
