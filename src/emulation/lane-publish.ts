/** One publish to several lanes, answered in the order of its messages. */
import { v7 as uuidv7 } from "uuid";
import type { Message, Published } from "../contract/index.ts";
import { addAccepted } from "./accepted.ts";
import { type Lane, type LaneRow, mainLane } from "./lane-row.ts";

/** `added`: the features that lanes stand for. */
export async function publishToLanes(
  row: LaneRow,
  added: ReadonlySet<string>,
  messages: readonly Message[],
): Promise<readonly Published[]> {
  const published: Published[] = [];
  for (const [lane, places] of placesOf(row, messages)) {
    const group = places.map((place) => toLane(lane, added, messages[place] as Message));
    const queue = await row.open(lane);
    const answers = await queue.publish(group).catch((error: unknown) => {
      throw addAccepted(error, Object.values(published));
    });
    if (lane.rank > 0) for (const consumer of row.consumers) consumer.expect(row.lanes.indexOf(lane));
    for (const [i, place] of places.entries()) published[place] = answers[i] as Published;
  }
  return published;
}

/** Which of the messages go to which lane. */
function placesOf({ lanes }: LaneRow, messages: readonly Message[]): ReadonlyMap<Lane, readonly number[]> {
  const groups = new Map<Lane, number[]>();
  for (const [place, message] of messages.entries()) {
    const lane = lanes.find((each) => each.takes(message)) ?? mainLane;
    const places = groups.get(lane) ?? [];
    places.push(place);
    groups.set(lane, places);
  }
  return groups;
}

/** What the lane says, the engine must not see. */
function toLane(lane: Lane, added: ReadonlySet<string>, message: Message): Message {
  const { ahead, priority, ...rest } = message;
  return {
    ...rest,
    // An engine counts its own ids in each lane from 1: they would be those of others in the main queue.
    ...(lane === mainLane || rest.id !== undefined ? {} : { id: uuidv7() }),
    ...(ahead === undefined || added.has("ahead") ? {} : { ahead }),
    ...(priority === undefined || added.has("priority") ? {} : { priority }),
  };
}
