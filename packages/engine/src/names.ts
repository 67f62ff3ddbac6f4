import { randomInt } from 'node:crypto';
import { nameInvalid } from './faults.ts';

const adjectives =
  'amber ample apt bold brisk calm candid civil clear clever cosy deft eager early fair fleet fond frank fresh gentle glad grand hardy hearty honest keen kind level light lively loyal lucid mellow merry mild modest neat nimble noble open patient plucky polite prime prompt proud quick quiet ready rosy sage sharp sleek smart snug solid spry stable steady sunny swift tidy trim true trusty upbeat vivid warm wise witty zesty'.split(
    ' ',
  );
const nouns =
  'albatross anchor barge barque bay beacon boom bow breeze brig buoy cape capstan channel clipper compass coracle cove crane current cutter dock dory ferry fjord frigate galley gull harbor haven helm hull inlet jetty kayak keel ketch lagoon lantern ledger lighter lighthouse mast moorage oar osprey packet pelican pier pilot pinnace port puffin quay rigging rudder sail schooner seal sextant shoal skiff sloop spar stern tern tide tiller topsail trawler tug wharf winch yawl'.split(
    ' ',
  );

/** A name for a container whose user gave none. */
export function randomName(attempt: number): string {
  const name = `${adjectives[randomInt(adjectives.length)]}_${nouns[randomInt(nouns.length)]}`;
  return attempt < 6 ? name : `${name}${randomInt(10, 10 ** Math.min(9, attempt - 3))}`;
}

/** Docker's grammar for names of containers; a leading slash is taken off. Fault `name-invalid`. */
export function checkedName(name: string): string {
  const bare = name.startsWith('/') ? name.slice(1) : name;
  if (!/^[a-zA-Z0-9][a-zA-Z0-9_.-]+$/.test(bare)) throw nameInvalid(bare);
  return bare;
}
