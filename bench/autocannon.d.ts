/** The parts of autocannon 9 that we use; it comes without types. */
declare module "autocannon" {
  interface Options {
    url: string;
    method?: string;
    headers?: Record<string, string>;
    body?: string;
    connections: number;
    /** In seconds. */
    duration: number;
  }

  interface Result {
    "2xx": number;
    non2xx: number;
    errors: number;
    /** In seconds. */
    duration: number;
    /** In milliseconds. */
    latency: { p50: number; p99: number };
  }

  export default function autocannon(options: Options): Promise<Result>;
}
