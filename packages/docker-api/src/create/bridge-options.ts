import { isIPv4 } from 'node:net';
import { cannotBe, invalid, notYet } from '../faults.ts';

const bridge = 'com.docker.network.bridge.';

/** As Go's strconv.ParseBool reads it. */
const yes = /^(1|t|T|TRUE|true|True)$/;
const no = /^(0|f|F|FALSE|false|False)$/;

type Check = (value: string, name: string) => void;

const boolean: Check = (value, name) => {
  if (!yes.test(value) && !no.test(value)) throw failed(name, value, `strconv.ParseBool: parsing ${JSON.stringify(value)}: invalid syntax`);
};

/** Accepted when it asks for what is there anyway. */
const only =
  (usual: (value: string) => boolean, reason: string): Check =>
  (value, name) => {
    if (!usual(value)) throw notYet(`The network option ${name}=${value} is`, reason);
  };

/** Docker's options for networks of its bridge driver. */
const options: Readonly<Record<string, Check>> = {
  [`${bridge}enable_icc`]: boolean,
  [`${bridge}enable_ip_masquerade`]: boolean,
  [`${bridge}host_binding_ipv4`]: (value, name) => {
    if (!isIPv4(value)) throw failed(name, value, 'nil ip');
  },
  [`${bridge}name`]: (_value, name) => {
    throw cannotBe(`The network option ${name}`, 'a bridge is called after its instance and network, so that each instance on this host finds its own');
  },
  [`${bridge}default_bridge`]: only((value) => no.test(value), 'the default network is `bridge`'),
  [`${bridge}inhibit_ipv4`]: only((value) => no.test(value), 'the bridge is where names are asked for'),
  [`${bridge}gateway_mode_ipv4`]: only((value) => value === 'nat', 'nat is'),
  [`${bridge}gateway_mode_ipv6`]: only((value) => value === 'nat', 'nat is'),
  [`${bridge}trusted_host_interfaces`]: only((value) => value === '', 'published ports are what leads in'),
  'com.docker.network.driver.mtu': (value, name) => {
    if (!/^[-+]?\d+$/.test(value)) throw failed(name, value, `strconv.Atoi: parsing ${JSON.stringify(value)}: invalid syntax`);
    if (Number(value) < 68 || Number(value) > 65_535) throw invalid('mtu-invalid', `invalid MTU: ${value}: it must be a number from 68 to 65535`);
  },
  'com.docker.network.container_iface_prefix': (value, name) => {
    if (!/^[a-z][a-z0-9_]{0,11}$/i.test(value) || value === 'lo')
      throw invalid('option-invalid', `invalid ${name}: ${value}: links of containers cannot be called so`);
  },
};

/** Checks them; those that are nobody's are kept and shown, as in Docker. Faults with Docker's sentences, or 501. */
export function bridgeOptions(given: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  for (const [name, value] of Object.entries(given)) {
    const check = Object.hasOwn(options, name) ? options[name] : undefined;
    if (check !== undefined) check(value, name);
    else if (name.startsWith('com.docker.network.')) throw notYet(`The network option ${name} is`);
  }
  return given;
}

function failed(name: string, value: string, reason: string): Error {
  return invalid('option-invalid', `failed to parse ${name} value: ${value} (${reason})`);
}
