import { z } from 'zod';
import { registryLied, registryRefused } from '../faults.ts';
import { DEFAULT_DOMAIN } from '../reference.ts';
import { wholeBody } from './answer-body.ts';
import { basicAuthorization, type Credentials } from './credentials.ts';
import type { Found } from './port.ts';
import { json } from './repository.ts';
import { Session, type SessionDeps } from './session.ts';

const LIMIT_BYTES = 4 << 20;
const text = z
  .string()
  .nullish()
  .transform((value) => value ?? '');
const flag = z
  .boolean()
  .nullish()
  .transform((value) => value ?? false);
const answerShape = z.object({
  results: z.array(
    z.object({
      name: z.string(),
      description: text,
      is_official: flag,
      is_automated: flag,
      star_count: z
        .number()
        .nullish()
        .transform((value) => value ?? 0),
    }),
  ),
});

/** `docker search`: an index's old search call, the only one there is. `host/term` asks another index than the default one. */
export async function searchIndex(deps: SessionDeps, term: string, limit: number, credentials: Credentials, signal?: AbortSignal): Promise<readonly Found[]> {
  const slash = term.indexOf('/');
  const first = slash < 0 ? '' : term.slice(0, slash);
  const named = /[.:]/.test(first) || first === 'localhost';
  const session = await Session.open(deps, named ? first : DEFAULT_DOMAIN, {}, signal);
  const url = session.url('/v1/search');
  url.searchParams.set('q', (named ? term.slice(slash + 1) : term).replace(/^library\//, ''));
  url.searchParams.set('n', String(limit));
  const basic = basicAuthorization(credentials);
  const headers = { 'x-docker-token': 'true', ...(basic === undefined ? {} : { authorization: basic }) };
  const answer = await session.send(url, { method: 'GET', headers, signal }, []);
  if (answer.status !== 200) {
    answer.body.destroy();
    throw registryRefused(`Unexpected status code ${answer.status}`);
  }
  const parsed = answerShape.safeParse(json(await wholeBody(answer, LIMIT_BYTES, 'a search result')));
  if (!parsed.success) throw registryLied(`${session.home.host} gave something else than search results`);
  return parsed.data.results.map((one) => ({
    name: one.name,
    description: one.description,
    isOfficial: one.is_official,
    isAutomated: one.is_automated,
    starCount: one.star_count,
  }));
}
