/**
 * The sandbox's planner: it speaks the Messages API in place of a model, without a network and without a key. It reads
 * plain commerce requests in English, Portuguese and some Spanish, and says of everything else that it cannot read it.
 */
export { offlineMessagesApi } from "./offline/api.ts";
