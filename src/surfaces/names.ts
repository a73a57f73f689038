/** One spelling of a name turned into another, mechanically, so that no surface keeps a table. */

/** `tool_call_id` as `toolCallId`; what is camelCase already stays as it is. */
export const camelCase = (name: string): string =>
  name.replace(/[^A-Za-z0-9]+([A-Za-z0-9])/g, (_separator, next: string) => next.toUpperCase());

/** `createSession` as `CreateSession`, `auth_type` as `AuthType`. */
export const pascalCase = (name: string): string => camelCase(name).replace(/^./, (first) => first.toUpperCase());

/** `tool_call_id` and `ToolCallPage` as people read them: `Tool call id.`, `Tool call page.` */
export const sentence = (name: string): string => {
  const words = name.replace(/([a-z0-9])([A-Z])/g, "$1 $2").replace(/[^A-Za-z0-9]+/g, " ").trim().toLowerCase();
  return `${words.replace(/^./, (first) => first.toUpperCase())}.`;
};
