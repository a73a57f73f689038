/**
 * Why a server does not start, said to whoever runs it: what is wrong and what to do. `main.ts` shows such a message
 * alone; any other error is a bug of ours and is shown with its stack. Settings have one of their own, `SettingsError`.
 */
export class StartError extends Error {
  override readonly name = "StartError";
}

/** A command line that cannot be read: its message says what was expected. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}
