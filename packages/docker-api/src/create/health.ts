import { healthcheckSchema, type HealthcheckRequest } from '@berth/docker-wire';
import type { HealthCheck } from '@berth/engine';
import type { ImageProcessDefaults } from '@berth/images';
import { invalid } from '../faults.ts';

const nsPerMs = 1_000_000;
const defaults = { intervalMs: 30_000, timeoutMs: 30_000, startPeriodMs: 0, startIntervalMs: 5_000, retries: 3 };

export interface HealthConfig {
  /** Config.Healthcheck as inspect shows it; absent when nobody said anything. */
  readonly shown?: Readonly<Record<string, unknown>>;
  readonly check?: HealthCheck;
}

/** The health check of a new container: the request's over the image's, by Docker's rules. Fault `health-invalid`. */
export function healthFor(request: HealthcheckRequest | undefined, image: ImageProcessDefaults, shell: readonly string[] | undefined): HealthConfig {
  const own = request ?? healthcheckSchema.parse({});
  const given = (image as Readonly<Record<string, unknown>>)['Healthcheck'] ?? undefined;
  if (request === undefined && given === undefined) return {};
  const inherited = healthcheckSchema.parse(given ?? {});
  const merged: HealthcheckRequest = {
    Test: own.Test.length > 0 ? own.Test : inherited.Test,
    Interval: own.Interval || inherited.Interval,
    Timeout: own.Timeout || inherited.Timeout,
    StartPeriod: own.StartPeriod || inherited.StartPeriod,
    StartInterval: own.StartInterval || inherited.StartInterval,
    Retries: own.Retries || inherited.Retries,
  };
  for (const name of ['Interval', 'Timeout', 'StartPeriod', 'StartInterval'] as const) {
    if (merged[name] !== 0 && merged[name] < nsPerMs) throw invalid('health-invalid', `${name} in Healthcheck cannot be less than 1ms`);
  }
  if (merged.Retries < 0) throw invalid('health-invalid', 'Retries in Healthcheck cannot be negative');
  const shown = Object.fromEntries(Object.entries(merged).filter(([, value]) => (Array.isArray(value) ? value.length > 0 : value !== 0)));
  const args = commandOf(merged.Test, shell ?? (image as { Shell?: readonly string[] | null }).Shell ?? ['/bin/sh', '-c']);
  if (args === undefined) return { shown };
  const ms = (ns: number, otherwise: number) => (ns === 0 ? otherwise : ns / nsPerMs);
  return {
    shown,
    check: {
      args,
      intervalMs: ms(merged.Interval, defaults.intervalMs),
      timeoutMs: ms(merged.Timeout, defaults.timeoutMs),
      startPeriodMs: ms(merged.StartPeriod, defaults.startPeriodMs),
      startIntervalMs: ms(merged.StartInterval, defaults.startIntervalMs),
      retries: merged.Retries || defaults.retries,
    },
  };
}

/** `undefined`: nothing is to be run. A kind that Docker does not know is no check either. */
function commandOf([kind, ...words]: readonly string[], shell: readonly string[]): readonly string[] | undefined {
  if (kind === 'CMD' && words.length > 0) return words;
  return kind === 'CMD-SHELL' ? [...shell, ...words] : undefined;
}
