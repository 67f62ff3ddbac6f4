import { request } from 'node:http';

/**
 * One request to a Docker endpoint on a unix socket. JSON in, JSON out when the answer is JSON, else text. Rejects when
 * nobody answers or the status is 400 or more (the daemon's own sentence as message, `status` on the error).
 */
export function call(socketPath, method, path, body, { timeoutMs = 10_000 } = {}) {
  return new Promise((resolve, reject) => {
    const payload = body === undefined ? undefined : JSON.stringify(body);
    const headers = payload === undefined ? {} : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(payload) };
    const outgoing = request({ socketPath, method, path, headers, timeout: timeoutMs }, (response) => {
      const chunks = [];
      response.on('data', (chunk) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () => {
        const data = Buffer.concat(chunks);
        const json = /json/.test(response.headers['content-type'] ?? '') && data.length > 0;
        const value = json ? JSON.parse(data.toString()) : data;
        if (response.statusCode < 400) return resolve(value);
        reject(Object.assign(new Error(json ? value.message : `${method} ${path} answered ${response.statusCode}`), { status: response.statusCode }));
      });
    });
    outgoing.on('timeout', () => outgoing.destroy(new Error(`${method} ${path} did not answer within ${timeoutMs / 1000} s`)));
    outgoing.on('error', reject);
    outgoing.end(payload);
  });
}

/** Does anybody answer there? */
export async function answers(socketPath, timeoutMs = 2_000) {
  try {
    await call(socketPath, 'GET', '/_ping', undefined, { timeoutMs });
    return true;
  } catch {
    return false;
  }
}

/** The payload of multiplexed `logs` or `attach` output: stdout and stderr, in order, as text. */
export function demultiplex(data) {
  let text = '';
  for (let at = 0; at + 8 <= data.length; ) {
    const size = data.readUInt32BE(at + 4);
    text += data.toString('utf8', at + 8, at + 8 + size);
    at += 8 + size;
  }
  return text;
}
