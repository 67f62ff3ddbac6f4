import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from '@berth/sys';

export interface Certificates {
  /** The authority's own. */
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

/** An authority nobody knows, and a server's certificate by it for one address. */
export async function makeCertificates(directory: string, address: string): Promise<Certificates> {
  const path = (name: string) => join(directory, name);
  const openssl = (args: readonly string[]) => run('openssl', args, { cwd: directory });
  const ca = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2', '-subj', '/CN=Berth test authority'];
  await openssl([...ca, '-keyout', 'ca.key', '-out', 'ca.crt']);
  await openssl([
    'req',
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:P-256',
    '-nodes',
    '-subj',
    '/CN=registry',
    '-keyout',
    'server.key',
    '-out',
    'server.csr',
  ]);
  await writeFile(path('server.ext'), `subjectAltName=IP:${address}\n`);
  await openssl([
    'x509',
    '-req',
    '-in',
    'server.csr',
    '-CA',
    'ca.crt',
    '-CAkey',
    'ca.key',
    '-CAcreateserial',
    '-days',
    '2',
    '-extfile',
    'server.ext',
    '-out',
    'server.crt',
  ]);
  return { ca: path('ca.crt'), cert: path('server.crt'), key: path('server.key') };
}
