/** tRPC at /trpc, for TypeScript backends. A pure projection of the contract: a new operation appears by itself. */
import { fetchRequestHandler } from "@trpc/server/adapters/fetch";
import { Failure } from "../../../schema/failures.ts";
import type { CallerContext } from "../../door.ts";
import { wholeContract, type Contract, type Report, type StopSignals } from "../contract.ts";
import type { AppRouter } from "./client.ts";
import { buildRouter, type TrpcHandlers } from "./router.ts";

const TRPC_PATH = "/trpc";
/** How many calls one HTTP request may carry. */
const BATCH_MAX = 20;

export interface TrpcOptions extends Pick<TrpcHandlers, "door"> {
  contextOf(request: Request): CallerContext;
  report?: Report;
  /** Without it, subscriptions outlive the server's wish to stop. */
  stop?: StopSignals;
  contract?: Contract;
}

export interface TrpcSurface {
  /** Takes the platform's Request or a lighter one of the same shape, which costs half as much. */
  fetch(request: Request): Promise<Response>;
  router: AppRouter;
}

export function createTrpc(options: TrpcOptions): TrpcSurface {
  const { door, contextOf, report = () => {}, stop, contract = wholeContract } = options;
  const router = buildRouter(contract, { door, report, stop });
  return {
    router: router as AppRouter,
    fetch: (request) =>
      fetchRequestHandler({
        endpoint: TRPC_PATH,
        req: request,
        router,
        createContext: () => contextOf(request),
        maxBatchSize: BATCH_MAX,
        allowMethodOverride: true, // a long input does not fit a URL; a mutation still takes nothing but POST
        onError: ({ error, ctx }) => {
          const isOurs = error.code === "INTERNAL_SERVER_ERROR" && !(error.cause instanceof Failure);
          if (isOurs) report(error.cause ?? error, ctx?.requestId);
        },
      }),
  };
}
