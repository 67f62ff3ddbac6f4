import { registryLied } from '../faults.ts';
import { connectionFault } from './connection-fault.ts';
import type { Received } from './transport.ts';

/** The whole of a small answer. Fault `registry-answer-invalid` when it goes on and on, `registry-unreachable` when it is cut. */
export async function wholeBody({ body, headers, url }: Received, limitBytes: number, what: string): Promise<Buffer> {
  const tooLarge = () => registryLied(`${what} from ${url.host} is larger than ${limitBytes} bytes`);
  const announced = Number(headers['content-length'] ?? 0);
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    if (announced > limitBytes) throw tooLarge();
    for await (const chunk of body) {
      bytes += (chunk as Buffer).length;
      if (bytes > limitBytes) throw tooLarge();
      chunks.push(chunk as Buffer);
    }
  } catch (error) {
    body.destroy();
    throw connectionFault('GET', url, error);
  }
  return Buffer.concat(chunks, bytes);
}
