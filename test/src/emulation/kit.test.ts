/** The whole conformance kit on a broker that has nothing: every feature is an emulation. */
import { describeBroker } from "../../conformance/index.ts";

describeBroker({ name: "bare", create: new URL("../../support/bare.create.ts", import.meta.url) });
