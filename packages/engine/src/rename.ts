import type { Container } from './container.ts';
import type { Deps } from './deps.ts';
import { emitContainer } from './emit.ts';
import { endpointNames } from './endpoints.ts';
import { sameName, startRemoving } from './faults.ts';
import { checkedName } from './names.ts';

/** Gives a container another name, also in name service. Faults: `name-in-use`, `name-invalid`, `name-unchanged`. */
export function renameContainer(deps: Deps, container: Container, wanted: string): Promise<void> {
  return container.serial.run(async () => {
    const name = checkedName(wanted);
    const { definition, endpoints } = container;
    if (container.gone) throw startRemoving();
    if (name === definition.name) throw sameName();
    deps.registry.takeName(name, container.id);
    container.definition = { ...definition, name };
    container.endpoints = endpoints.map((settings) => {
      const network = deps.networks.byId(settings.networkId);
      if (settings.endpoint === undefined || network === undefined) return settings;
      return { ...settings, endpoint: { ...settings.endpoint, names: endpointNames(container, network, settings.aliases) } };
    });
    try {
      await deps.rows.rename(container.definition, container.endpoints);
    } catch (error) {
      container.definition = definition;
      container.endpoints = endpoints;
      deps.registry.freeName(name, container.id);
      throw error;
    }
    deps.registry.freeName(definition.name, container.id);
    if (container.current !== undefined) {
      for (const { endpoint } of endpoints) if (endpoint !== undefined && endpoint.mac !== '') deps.networking.withdraw(endpoint);
      for (const { endpoint } of container.endpoints) if (endpoint !== undefined && endpoint.mac !== '') deps.networking.announce(endpoint);
    }
    emitContainer(deps, container, 'rename', { oldName: `/${definition.name}` });
  });
}
