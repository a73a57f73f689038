/** What a caller or a person typed to connect a server, checked against what the server declares. Nothing here repeats a value. */
import type { ConnectionField, ProviderDefinition } from "../../providers/provider.ts";
import { METADATA_BYTES_MAX, METADATA_KEYS_MAX } from "../../schema/connections.ts";
import { Failure } from "../../schema/failures.ts";

type Text = Record<string, string>;

/** The credentials by their names. Throws validation_failed for a name that is missing, or that the server does not have. */
export function readSecret({ id, credentials }: ProviderDefinition, secret: string | Text): Text {
  const names = credentials.map(({ name }) => name);
  const [only] = names;
  if (typeof secret === "string") {
    if (names.length === 1) return { [only!]: secret };
    throw wrong("secret", `${id} has ${names.length} credentials`, `an object with ${names.join(", ")}`);
  }
  const stranger = Object.keys(secret).find((name) => !names.includes(name));
  if (stranger !== undefined) throw wrong(`secret.${stranger}`, `is no credential of ${id}`, names.join(", "));
  requireFields("secret", credentials, secret);
  return secret;
}

/** Throws validation_failed for more than may be kept, and where a setting that the server needs is missing. */
export function checkSettings({ settings: declared }: Pick<ProviderDefinition, "settings">, settings: Text): void {
  if (Object.keys(settings).length > METADATA_KEYS_MAX) throw wrong("connection_metadata", "has too many keys", `${METADATA_KEYS_MAX} keys at most`);
  if (Buffer.byteLength(JSON.stringify(settings)) > METADATA_BYTES_MAX) throw wrong("connection_metadata", "is too large", `${METADATA_BYTES_MAX} bytes of JSON at most`);
  requireFields("connection_metadata", declared, settings);
}

function requireFields(place: string, fields: readonly ConnectionField[], given: Text): void {
  const missing = fields.find(({ name, required }) => required && !given[name]);
  if (missing) throw wrong(`${place}.${missing.name}`, `is missing${missing.hint ? ` (${missing.hint})` : ""}`, missing.label);
}

const wrong = (field: string, problem: string, expected: string): Failure => new Failure("validation_failed", { field, problem, expected });
