/** Which server and namespace, and how it is entered. */
import { createHash } from "node:crypto";
import type { ConnectionOptions } from "@temporalio/client";

export interface Target {
  /** Host and port. */
  readonly address: string;
  readonly namespace: string;
  readonly tls?: ConnectionOptions["tls"];
  readonly apiKey?: string;
  readonly metadata?: Readonly<Record<string, string>>;
}

/** Secrets are compared, not kept. */
export function targetKey({ address, namespace, ...rest }: Target): string {
  const secret = createHash("sha256").update(
    JSON.stringify(rest, (_, value: unknown) =>
      value instanceof Uint8Array ? Buffer.from(value).toString("hex") : value,
    ),
  );
  return `${address}/${namespace}/${secret.digest("hex")}`;
}
